package iterabletest

import (
	"cmp"
	"slices"
	"strings"
)

var webhookShape = object(fields{
	"id": {integer, true}, "endpoint": {kind: text}, "authToken": {kind: text},
	"authType": {kind: oneOf("NoAuth", "Basic", "OAuth2")}, "enabled": {kind: boolean},
	"blastSendEnabled": {kind: boolean}, "triggeredSendEnabled": {kind: boolean},
	"headers": {kind: list(object(fields{"key": {text, true}, "value": {text, true}}))},
})

// Webhook is a system webhook of the project. The API never returns the token
// and the headers.
type Webhook struct {
	ID                   int64             `json:"id"`
	Endpoint             string            `json:"endpoint"`
	AuthType             string            `json:"authType"` // NoAuth, Basic or OAuth2; zero means NoAuth
	AuthToken            string            `json:"-"`
	Headers              map[string]string `json:"-"`
	Enabled              bool              `json:"enabled"`
	BlastSendEnabled     bool              `json:"blastSendEnabled"`
	TriggeredSendEnabled bool              `json:"triggeredSendEnabled"`
	ChannelIDs           []int64           `json:"channelIds,omitempty"`
	MessageTypeIDs       []int64           `json:"messageTypeIds,omitempty"`
}

// AddWebhook adds a webhook, as is done in Iterable's web app, and returns its
// id, a new one if it has none.
func (f *Fake) AddWebhook(w Webhook) int64 {
	defer f.lock()()
	w.AuthType = cmp.Or(w.AuthType, "NoAuth")
	if w.ID == 0 {
		w.ID = int64(61001 + len(f.webhooks))
	}
	f.webhooks = append(f.webhooks, w)
	return w.ID
}

// Webhooks returns the webhooks with all that is set in them.
func (f *Fake) Webhooks() []Webhook {
	defer f.lock()()
	return slices.Clone(f.webhooks)
}

// getWebhooks is GET /api/webhooks.
func (f *Fake) getWebhooks(call) reply {
	return ok(map[string]any{"webhooks": append([]Webhook{}, f.webhooks...)})
}

// updateWebhook is POST /api/webhooks: what is not sent stays. Headers are
// replaced as a whole; the reference does not say whether they are merged.
func (f *Fake) updateWebhook(c call) reply {
	i := slices.IndexFunc(f.webhooks, func(w Webhook) bool { return w.ID == number(c.sent, "id") })
	if i < 0 {
		return badParams("Invalid webhook id", nil)
	}
	if s, sent := c.sent["endpoint"].(string); sent && !strings.HasPrefix(s, "https://") {
		return badParams("endpoint must be an https URL", nil)
	}
	w := &f.webhooks[i]
	for name, to := range map[string]*string{"endpoint": &w.Endpoint, "authType": &w.AuthType, "authToken": &w.AuthToken} {
		if s, sent := c.sent[name].(string); sent {
			*to = s
		}
	}
	for name, to := range map[string]*bool{
		"enabled": &w.Enabled, "blastSendEnabled": &w.BlastSendEnabled, "triggeredSendEnabled": &w.TriggeredSendEnabled,
	} {
		if b, sent := c.sent[name].(bool); sent {
			*to = b
		}
	}
	if c.sent["headers"] != nil {
		w.Headers = make(map[string]string)
		for _, h := range objects(c.sent, "headers") {
			w.Headers[textOf(h, "key")] = textOf(h, "value")
		}
	}
	return ok(*w)
}
