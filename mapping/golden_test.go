package mapping_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/internal/golden"
	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

// result is what a golden file holds.
type result struct {
	Refused  string          `json:"refused,omitempty"` // by Parse
	Skipped  mapping.Skip    `json:"skipped,omitempty"`
	InsertID string          `json:"insert_id,omitempty"`
	Event    json.RawMessage `json:"event,omitempty"`
	Identify json.RawMessage `json:"identify,omitempty"`
}

func TestEventsAreAsInTheGoldenFiles(t *testing.T) {
	t.Parallel()
	for name, body := range iterabletest.Payloads() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden.JSON(t, filepath.Join("testdata", "events", name+".json"), mapped(t, mapping.Rules{Subscriptions: true}, body))
		})
	}
}

func TestEventsWithAllClassesAreAsInTheGoldenFiles(t *testing.T) {
	t.Parallel()
	all := mapping.Rules{
		UserID:     mapping.UserIDOrEmail,
		EventType:  mapping.Label,
		Classes:    mapping.Campaign | mapping.Detail | mapping.Personal | mapping.Content,
		CutQuery:   true,
		ClientData: true,
	}
	for _, name := range []string{
		"emailBounce", "emailClick", "emailClick-bot", "emailClick-legacy", "emailClick-trackedlink", "emailSend-datafeed",
		"emailSend-placeholder-email", "emailSend-triggered-object", "emailSend-triggered-string",
		"emailSubscribe-custom-profile-fields", "inAppClick", "pushSend-deeplink", "smsReceived", "whatsAppReceived-dotted",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			golden.JSON(t, filepath.Join("testdata", "everything", name+".json"), mapped(t, all, body(t, name)))
		})
	}
}

func mapped(t *testing.T, r mapping.Rules, body []byte) (res result) {
	in, err := webhook.Parse(body)
	if err != nil {
		return result{Refused: err.Error()}
	}
	res.InsertID = r.InsertID(in)
	out, err := r.Event(in, received)
	if err != nil {
		require.ErrorAs(t, err, &res.Skipped)
		return res
	}
	res.Event, err = json.Marshal(out)
	require.NoError(t, err)
	if out, ok := r.Identify(in, received); ok {
		res.Identify, err = json.Marshal(out)
		require.NoError(t, err)
	}
	return res
}
