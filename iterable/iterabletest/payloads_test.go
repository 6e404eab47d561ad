package iterabletest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
)

var names = []webhook.Name{
	webhook.EmailSend, webhook.EmailSendSkip, webhook.EmailBounce, webhook.EmailOpen, webhook.EmailClick, webhook.EmailComplaint,
	webhook.EmailSubscribe, webhook.EmailUnSubscribe, webhook.HostedUnsubscribeClick,
	webhook.EmbeddedReceived, webhook.EmbeddedImpression, webhook.EmbeddedClick, webhook.EmbeddedSession,
	webhook.InAppSend, webhook.InAppSendSkip, webhook.InAppDelivery, webhook.InAppOpen, webhook.InAppClick, webhook.InAppClose,
	webhook.InAppDelete, webhook.InAppRecall, webhook.JourneyExit,
	webhook.PushSend, webhook.PushSendSkip, webhook.PushBounce, webhook.PushOpen, webhook.PushUninstall,
	webhook.SMSSend, webhook.SMSSendSkip, webhook.SMSBounce, webhook.SMSClick, webhook.SMSReceived,
	webhook.WebPushSend, webhook.WebPushSendSkip, webhook.WebPushClick,
	webhook.WhatsAppSend, webhook.WhatsAppSendSkip, webhook.WhatsAppBounce, webhook.WhatsAppSeen, webhook.WhatsAppClick, webhook.WhatsAppReceived,
}

func TestThereIsAPayloadForEveryName(t *testing.T) {
	t.Parallel()
	require.Len(t, names, 41)
	for _, name := range names {
		require.True(t, name.Known())
		e, err := webhook.Parse(iterabletest.Payload(name))
		require.NoError(t, err, name)
		require.Equal(t, name, e.Name)
		require.Equal(t, name != webhook.InAppRecall, e.UserID != "", name)
	}
	require.Nil(t, iterabletest.Payload("rcsClick"))
	require.Nil(t, iterabletest.Payload("emailClick-bot"), "that is a file's name")
}

func TestPayloadsAreTheCallersToChange(t *testing.T) {
	t.Parallel()
	clear(iterabletest.Payload(webhook.EmailClick))
	require.True(t, json.Valid(iterabletest.Payload(webhook.EmailClick)))
}

func TestPayloadsRangesOverAllByName(t *testing.T) {
	t.Parallel()
	var last string
	n := 0
	for name, body := range iterabletest.Payloads() {
		require.Less(t, last, name+".json")
		require.True(t, json.Valid(body), name)
		last = name + ".json"
		n++
	}
	require.Equal(t, 98, n)
	for range iterabletest.Payloads() {
		break
	}
}

func TestWebhookRequestIsWhatIterableSends(t *testing.T) {
	t.Parallel()
	r := iterabletest.WebhookRequest("key:secret", []byte(`{}`))
	require.Equal(t, "POST", r.Method)
	require.Equal(t, "application/json", r.Header.Get("Content-Type"))
	require.Equal(t, "key:secret", r.Header.Get("Authorization"), "no scheme word, no base64")
	require.Equal(t, int64(2), r.ContentLength)
	body, err := io.ReadAll(r.Body)
	require.NoError(t, err)
	require.Equal(t, `{}`, string(body))
	require.NotContains(t, iterabletest.WebhookRequest("", nil).Header, "Authorization")
}

func TestWebhookRequestGoesToTheHostOfItsURL(t *testing.T) {
	t.Parallel()
	var host, path string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		host, path = r.Host, r.URL.Path
	}))
	defer server.Close()
	r := iterabletest.WebhookRequest("key:secret", []byte(`{}`))
	var err error
	r.URL, err = url.Parse(server.URL + "/hooks")
	require.NoError(t, err)
	resp, err := server.Client().Do(r)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Equal(t, r.URL.Host, host)
	require.Equal(t, "/hooks", path)
}
