package iterabletest

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWebhooksAreReadAndUpdated(t *testing.T) {
	t.Parallel()
	var f Fake
	require.Equal(t, `{"webhooks":[]}`+"\n", get(t, &f, "/api/webhooks").text)
	id := f.AddWebhook(Webhook{Endpoint: "https://old.example.com", AuthToken: "secret", Enabled: true, BlastSendEnabled: true, ChannelIDs: []int64{71001}})
	require.JSONEq(t, fmt.Sprintf(`{"webhooks":[{"id":%d,"endpoint":"https://old.example.com","authType":"NoAuth","enabled":true,
		"blastSendEnabled":true,"triggeredSendEnabled":false,"channelIds":[71001]}]}`, id), get(t, &f, "/api/webhooks").text)

	got := accepted(t, &f, "/api/webhooks", fmt.Sprintf(
		`{"id":%d,"endpoint":"https://new.example.com","authType":"Basic","authToken":"other","blastSendEnabled":false,"headers":[{"key":"X","value":"1"}]}`, id))
	require.Equal(t, "https://new.example.com", got.json["endpoint"])
	require.NotContains(t, got.json, "authToken")
	require.NotContains(t, got.json, "headers")
	w := f.Webhooks()[0]
	require.Equal(t, "other", w.AuthToken)
	require.Equal(t, map[string]string{"X": "1"}, w.Headers)
	require.True(t, w.Enabled, "what was not sent stays")
	require.False(t, w.BlastSendEnabled)

	requireRefused(t, post(t, &f, "/api/webhooks", `{"id":1}`), http.StatusBadRequest, "BadParams")
	requireRefused(t, post(t, &f, "/api/webhooks", fmt.Sprintf(`{"id":%d,"endpoint":"http://plain.example.com"}`, id)), http.StatusBadRequest, "BadParams")
	requireRefused(t, post(t, &f, "/api/webhooks", fmt.Sprintf(`{"id":%d,"authType":"Digest"}`, id)), http.StatusBadRequest, "BadJsonBody")
}
