package iterabletest

import "slices"

// Channel is a message channel of the project.
type Channel struct {
	ID            int64  `json:"id"`
	Name          string `json:"name"`
	ChannelType   string `json:"channelType"`   // Marketing or Transactional
	MessageMedium string `json:"messageMedium"` // Email, Push, SMS
}

// MessageType is a message type of the project.
type MessageType struct {
	ID                 int64  `json:"id"`
	Name               string `json:"name"`
	ChannelID          int64  `json:"channelId"`
	SubscriptionPolicy string `json:"subscriptionPolicy"` // OptIn or OptOut
	CreatedAt          int64  `json:"createdAt"`          // milliseconds since 1970
	UpdatedAt          int64  `json:"updatedAt"`
}

// defaultChannels are those of a project nobody has touched.
var defaultChannels = []Channel{
	{ID: 71001, Name: "Marketing Channel", ChannelType: "Marketing", MessageMedium: "Email"},
	{ID: 71002, Name: "Transactional Channel", ChannelType: "Transactional", MessageMedium: "Email"},
}

var defaultMessageTypes = []MessageType{
	{ID: 81001, Name: "Marketing Message", ChannelID: 71001, SubscriptionPolicy: "OptOut", CreatedAt: 1704067200000, UpdatedAt: 1704067200000},
	{ID: 81002, Name: "Newsletter", ChannelID: 71001, SubscriptionPolicy: "OptIn", CreatedAt: 1704067200000, UpdatedAt: 1704067200000},
	{ID: 81003, Name: "Transactional Message", ChannelID: 71002, SubscriptionPolicy: "OptOut", CreatedAt: 1704067200000, UpdatedAt: 1704067200000},
}

func (f *Fake) channels() []Channel {
	if f.Channels != nil {
		return f.Channels
	}
	return defaultChannels
}

func (f *Fake) messageTypes() []MessageType {
	if f.MessageTypes != nil {
		return f.MessageTypes
	}
	return defaultMessageTypes
}

// marketing is the channel that lists belong to: the first for marketing by
// e-mail.
func (f *Fake) marketing() int64 {
	for _, c := range f.channels() {
		if c.ChannelType == "Marketing" && c.MessageMedium == "Email" {
			return c.ID
		}
	}
	return 0
}

// getChannels is GET /api/channels.
func (f *Fake) getChannels(call) reply {
	return ok(map[string]any{"channels": slices.Clone(f.channels())})
}

// getMessageTypes is GET /api/messageTypes.
func (f *Fake) getMessageTypes(call) reply {
	return ok(map[string]any{"messageTypes": slices.Clone(f.messageTypes())})
}
