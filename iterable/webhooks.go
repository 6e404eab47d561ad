package iterable

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/iteramp/iteramp/internal/rest"
)

// WebhooksService reads and changes the project's system webhooks. They are made and
// deleted in Iterable's web app only.
//
// Reference: https://api.iterable.com/api/docs#webhooks
type WebhooksService struct{ core *core }

// WebhookAuthType is how Iterable proves itself to an endpoint. The set is open.
type WebhookAuthType string

// The ways.
const (
	WebhookAuthTypeNone   WebhookAuthType = "NoAuth"
	WebhookAuthTypeBasic  WebhookAuthType = "Basic"
	WebhookAuthTypeOAuth2 WebhookAuthType = "OAuth2"
)

// Webhook is a system webhook. Its token and headers cannot be read.
type Webhook struct {
	ID                   int64           `json:"id"`
	Endpoint             string          `json:"endpoint"`
	AuthType             WebhookAuthType `json:"authType"`
	Enabled              bool            `json:"enabled"`
	BlastSendEnabled     bool            `json:"blastSendEnabled"`        // for sends of blast campaigns
	TriggeredSendEnabled bool            `json:"triggeredSendEnabled"`    // for sends of triggered campaigns
	ChannelIDs           []int64         `json:"channelIds,omitzero"`     // only of these, if there are any
	MessageTypeIDs       []int64         `json:"messageTypeIds,omitzero"` // likewise
}

// List returns the project's system webhooks.
//
// Reference: https://api.iterable.com/api/docs#webhooks_getWebhooks
func (s *WebhooksService) List(ctx context.Context) ([]Webhook, error) {
	var webhooks []Webhook
	err := s.core.field(ctx, rest.Call{Method: "GET", Path: "/api/webhooks", Idempotent: true}, "webhooks", &webhooks)
	return webhooks, err
}

// WebhookUpdateRequest changes a system webhook. What is zero stays as it is.
//
// It prints, marshals and logs without its endpoint, token and headers.
type WebhookUpdateRequest struct {
	ID        int64
	Endpoint  string // https
	AuthType  WebhookAuthType
	AuthToken string
	// Headers go with each request to the endpoint. They take the place of all
	// there were; an empty map that is not nil leaves none.
	Headers              map[string]string
	Enabled              *bool
	BlastSendEnabled     *bool
	TriggeredSendEnabled *bool
}

type webhookHeader struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

func (r WebhookUpdateRequest) body() any {
	var headers []webhookHeader
	if r.Headers != nil {
		headers = []webhookHeader{}
	}
	for _, key := range slices.Sorted(maps.Keys(r.Headers)) {
		headers = append(headers, webhookHeader{key, r.Headers[key]})
	}
	return struct {
		ID                   int64           `json:"id"`
		Endpoint             string          `json:"endpoint,omitzero"`
		AuthType             WebhookAuthType `json:"authType,omitzero"`
		AuthToken            string          `json:"authToken,omitzero"`
		Headers              []webhookHeader `json:"headers,omitzero"`
		Enabled              *bool           `json:"enabled,omitzero"`
		BlastSendEnabled     *bool           `json:"blastSendEnabled,omitzero"`
		TriggeredSendEnabled *bool           `json:"triggeredSendEnabled,omitzero"`
	}{r.ID, r.Endpoint, r.AuthType, r.AuthToken, headers, r.Enabled, r.BlastSendEnabled, r.TriggeredSendEnabled}
}

// Update changes a system webhook and returns it as it is then. It is safe to
// repeat.
//
// Reference: https://api.iterable.com/api/docs#webhooks_updateWebhook
func (s *WebhooksService) Update(ctx context.Context, req WebhookUpdateRequest) (Webhook, error) {
	resp, err := s.core.send(ctx, rest.Call{
		Method: "POST", Path: "/api/webhooks", Body: req.body(), Idempotent: true,
		Private: func() []string { return append(slices.Collect(maps.Values(req.Headers)), req.AuthToken, req.Endpoint) },
	})
	if err != nil {
		return Webhook{}, err
	}
	var webhook Webhook
	if json.Unmarshal(resp.Body, &webhook) != nil || webhook.ID == 0 {
		return Webhook{}, newError(resp, otherShape)
	}
	return webhook, nil
}

// Format prints r without its secrets, whatever the verb.
func (r WebhookUpdateRequest) Format(f fmt.State, _ rune) {
	fmt.Fprintf(f, "iterable.WebhookUpdateRequest{ID: %d}", r.ID)
}

// MarshalJSON encodes r without its secrets.
func (r WebhookUpdateRequest) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, `{"id":%d}`, r.ID), nil
}

// LogValue logs r without its secrets.
func (r WebhookUpdateRequest) LogValue() slog.Value { return slog.GroupValue(slog.Int64("id", r.ID)) }
