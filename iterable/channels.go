package iterable

import (
	"context"
	"encoding/json"
	"time"

	"github.com/iteramp/iteramp/internal/rest"
)

// ChannelsService reads the project's message channels.
//
// Reference: https://api.iterable.com/api/docs#channels
type ChannelsService struct{ core *core }

// ChannelType is the kind of a channel. The set is open.
type ChannelType string

// The kinds of channels.
const (
	ChannelTypeMarketing     ChannelType = "Marketing"
	ChannelTypeTransactional ChannelType = "Transactional"
)

// Channel is a channel: one medium, for messages of one kind.
type Channel struct {
	ID            int64         `json:"id"`
	Name          string        `json:"name"`
	Type          ChannelType   `json:"channelType,omitzero"`
	MessageMedium MessageMedium `json:"messageMedium,omitzero"`
}

// List returns all channels of the project.
//
// Reference: https://api.iterable.com/api/docs#channels_channels
func (s *ChannelsService) List(ctx context.Context) ([]Channel, error) {
	var channels []Channel
	err := s.core.field(ctx, rest.Call{Method: "GET", Path: "/api/channels", Idempotent: true}, "channels", &channels)
	return channels, err
}

// MessageTypesService reads the project's message types.
//
// Reference: https://api.iterable.com/api/docs#messageTypes
type MessageTypesService struct{ core *core }

// SubscriptionPolicy says who gets messages of a type. The set is open.
type SubscriptionPolicy string

// The policies: those who asked for them, or all who did not refuse them.
const (
	SubscriptionPolicyOptIn  SubscriptionPolicy = "OptIn"
	SubscriptionPolicyOptOut SubscriptionPolicy = "OptOut"
)

// MessageType is a kind of messages within a channel.
type MessageType struct {
	ID                 int64              `json:"id"`
	Name               string             `json:"name"`
	ChannelID          int64              `json:"channelId"`
	SubscriptionPolicy SubscriptionPolicy `json:"subscriptionPolicy,omitzero"`
	RateLimitPerMinute int                `json:"rateLimitPerMinute,omitzero"` // zero means none
	FrequencyCap       *FrequencyCap      `json:"frequencyCap,omitzero"`
	CreatedAt          time.Time          `json:"createdAt,omitzero"`
	UpdatedAt          time.Time          `json:"updatedAt,omitzero"`
}

// FrequencyCap is the most messages of a type that a user gets in some days.
type FrequencyCap struct {
	Days     int `json:"days"`
	Messages int `json:"messages"`
}

// UnmarshalJSON reads the message type as Iterable sends it.
func (m *MessageType) UnmarshalJSON(b []byte) error {
	type fields MessageType
	wire := struct {
		*fields
		CreatedAt timestamp `json:"createdAt"`
		UpdatedAt timestamp `json:"updatedAt"`
	}{fields: (*fields)(m)}
	err := json.Unmarshal(b, &wire)
	m.CreatedAt, m.UpdatedAt = time.Time(wire.CreatedAt), time.Time(wire.UpdatedAt)
	return err
}

// List returns all message types of the project.
//
// Reference: https://api.iterable.com/api/docs#messageTypes_messageTypes
func (s *MessageTypesService) List(ctx context.Context) ([]MessageType, error) {
	var types []MessageType
	err := s.core.field(ctx, rest.Call{Method: "GET", Path: "/api/messageTypes", Idempotent: true}, "messageTypes", &types)
	return types, err
}
