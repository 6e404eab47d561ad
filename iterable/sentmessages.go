package iterable

import (
	"context"
	"encoding/json"
	"time"

	"github.com/iteramp/iteramp/internal/rest"
)

// MessageMedium is the way a message takes. The set is open.
type MessageMedium string

// The media.
const (
	MessageMediumEmail    MessageMedium = "Email"
	MessageMediumPush     MessageMedium = "Push"
	MessageMediumInApp    MessageMedium = "InApp"
	MessageMediumSMS      MessageMedium = "SMS"
	MessageMediumWebPush  MessageMedium = "WebPush"
	MessageMediumEmbedded MessageMedium = "Embedded"
)

// UserSentMessagesOptions says whose messages, and which of them.
type UserSentMessagesOptions struct {
	Email  string `url:"email,omitempty"` // one of the two
	UserID string `url:"userId,omitempty"`

	Limit         int           `url:"limit,omitempty"` // zero means 10; at most 1,000
	CampaignIDs   []int64       `url:"campaignIds,omitempty"`
	Start         time.Time     `url:"startDateTime,omitempty" layout:"2006-01-02 15:04:05 -07:00"`
	End           time.Time     `url:"endDateTime,omitempty" layout:"2006-01-02 15:04:05 -07:00"`
	MessageMedium MessageMedium `url:"messageMedium,omitempty"`
	// ExcludeBlastCampaigns leaves out what went to whole lists. It has no effect
	// beside CampaignIDs.
	ExcludeBlastCampaigns bool `url:"excludeBlastCampaigns,omitempty"`
}

// SentMessage is a message that was sent to a user.
type SentMessage struct {
	MessageID  string    `json:"messageId"`
	CampaignID int64     `json:"campaignId"`
	TemplateID int64     `json:"templateId"`
	CreatedAt  time.Time `json:"createdAt"`
}

// UnmarshalJSON reads the message as Iterable sends it.
func (m *SentMessage) UnmarshalJSON(b []byte) error {
	type fields SentMessage
	wire := struct {
		*fields
		CreatedAt timestamp `json:"createdAt"`
	}{fields: (*fields)(m)}
	err := json.Unmarshal(b, &wire)
	m.CreatedAt = time.Time(wire.CreatedAt)
	return err
}

// SentMessages returns messages that were sent to a user. Iterable answers 3
// requests a second.
//
// Reference: https://api.iterable.com/api/docs#users_getSentMessages
func (s *UsersService) SentMessages(ctx context.Context, opts UserSentMessagesOptions) ([]SentMessage, error) {
	var messages []SentMessage
	err := s.core.field(ctx, rest.Call{
		Method: "GET", Path: "/api/users/getSentMessages", Query: opts, Idempotent: true,
		Private: hide(opts.Email, opts.UserID),
	}, "messages", &messages)
	return messages, err
}
