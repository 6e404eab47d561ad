package webhook

import (
	"errors"
	"strconv"
	"unicode/utf8"

	"github.com/iteramp/iteramp/internal/jsonscan"
)

// What Parse refuses. Their texts are fixed and hold nothing of the body.
var (
	// ErrSyntax is a body that is not exactly one JSON object in UTF-8, or
	// nests deeper than encoding/json allows.
	ErrSyntax = errors.New("webhook: the body is not one JSON object in UTF-8")
	// ErrNoName is an object without an eventName: a journey's webhook, or not
	// one of Iterable's.
	ErrNoName = errors.New("webhook: eventName is missing")
	// ErrDataFields is a dataFields that is neither an object nor null.
	ErrDataFields = errors.New("webhook: dataFields is not an object")
)

// Parse reads the body of one system webhook. It fails with [ErrSyntax],
// [ErrNoName] or [ErrDataFields]; everything else is taken as it comes.
//
// The event keeps body and hands out slices of it: leave it alone afterwards.
func Parse(body []byte) (Event, error) {
	p := parser{body: body}
	end, ok := jsonscan.Object(body, jsonscan.Space(body, 0), 0, p.envelope)
	if !ok || jsonscan.Space(body, end) != len(body) || !utf8.Valid(body) {
		return Event{}, ErrSyntax
	}
	name := jsonscan.Text(p.top.name)
	switch {
	case len(name) == 0:
		return Event{}, ErrNoName
	case p.top.data == nil, string(p.top.data) == "null":
		p.top.data = nil
	case p.top.data[0] != '{':
		return Event{}, ErrDataFields
	}
	return p.event(name), nil
}

// parser notes where the values of interest are, while the body is checked. A
// value is read only at the end: the last of equal keys counts.
type parser struct {
	body []byte
	top  struct{ name, email, userID, data []byte }
	in   fields
}

// fields are the values of dataFields that have a type.
type fields struct {
	email, userID, messageID, createdAt, isBot []byte
	campaign, template, channel, messageType   []byte
	workflow, experiment                       []byte
}

// envelope takes one member of the outer object.
func (p *parser) envelope(key []byte, i int) (end int, ok bool) {
	var value *[]byte
	switch string(jsonscan.Text(key)) {
	case "eventName":
		value = &p.top.name
	case "email":
		value = &p.top.email
	case "userId":
		value = &p.top.userID
	case "dataFields":
		p.in, value = fields{}, &p.top.data
	default:
		return jsonscan.Value(p.body, i, 1)
	}
	if value == &p.top.data && i < len(p.body) && p.body[i] == '{' {
		end, ok = jsonscan.Object(p.body, i, 1, p.field)
	} else {
		end, ok = jsonscan.Value(p.body, i, 1)
	}
	*value = p.body[i:end:end]
	return end, ok
}

// field takes one member of dataFields.
func (p *parser) field(key []byte, i int) (end int, ok bool) {
	end, ok = jsonscan.Value(p.body, i, 2)
	value := p.in.named(jsonscan.Text(key))
	if value != nil {
		*value = p.body[i:end:end]
	}
	return end, ok
}

func (f *fields) named(key []byte) *[]byte {
	switch string(key) {
	case "email":
		return &f.email
	case "userId":
		return &f.userID
	case "messageId":
		return &f.messageID
	case "createdAt":
		return &f.createdAt
	case "isBot":
		return &f.isBot
	case "campaignId":
		return &f.campaign
	case "templateId":
		return &f.template
	case "channelId":
		return &f.channel
	case "messageTypeId":
		return &f.messageType
	case "workflowId":
		return &f.workflow
	case "experimentId":
		return &f.experiment
	}
	return nil
}

func (p *parser) event(name []byte) Event {
	e := Event{
		Name:          canonical(name),
		Email:         string(jsonscan.Text(p.top.email)),
		UserID:        identifier(p.top.userID),
		MessageID:     identifier(p.in.messageID),
		CreatedAt:     instant(p.in.createdAt),
		CampaignID:    integer(p.in.campaign),
		TemplateID:    integer(p.in.template),
		ChannelID:     integer(p.in.channel),
		MessageTypeID: integer(p.in.messageType),
		WorkflowID:    integer(p.in.workflow),
		ExperimentID:  integer(p.in.experiment),
		IsBot:         string(p.in.isBot) == "true",
		body:          p.body,
		data:          p.top.data,
	}
	if e.Email == "" {
		e.Email = string(jsonscan.Text(p.in.email))
	}
	if e.UserID == "" {
		e.UserID = identifier(p.in.userID)
	}
	return e
}

// identifier reads a text, or a number by its digits.
func identifier(raw []byte) string {
	switch {
	case len(raw) == 0:
		return ""
	case raw[0] == '-', '0' <= raw[0] && raw[0] <= '9':
		return string(raw)
	}
	return string(jsonscan.Text(raw))
}

// integer reads an id, which some events send as text.
func integer(raw []byte) int64 {
	if len(raw) > 0 && raw[0] == '"' {
		raw = jsonscan.Text(raw)
	}
	if len(raw) == 0 || raw[0] < '0' || raw[0] > '9' {
		return 0 // mostly null, for which ParseUint would make an error
	}
	n, err := strconv.ParseUint(string(raw), 10, 63)
	if err != nil {
		return 0
	}
	return int64(n)
}
