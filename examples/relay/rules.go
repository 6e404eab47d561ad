package main

import (
	"fmt"
	"slices"

	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

// rulesSpec is what the routes file says of a route's rules: see [mapping.Rules].
type rulesSpec struct {
	EmailFallback bool           `json:"email_fallback"` // [mapping.UserIDOrEmail]
	Labels        bool           `json:"labels"`         // [mapping.Label]
	Classes       []string       `json:"classes"`
	CutQuery      bool           `json:"cut_query"`
	ClientData    bool           `json:"client_data"`
	Subscriptions bool           `json:"subscriptions"`
	Namespace     string         `json:"namespace"`
	Drop          []webhook.Name `json:"drop"`
	Only          []webhook.Name `json:"only"`
}

var classes = map[string]mapping.Class{
	"campaign": mapping.Campaign, "detail": mapping.Detail, "personal": mapping.Personal, "content": mapping.Content,
}

func (s rulesSpec) check(r *reader, at string) {
	for i, name := range s.Classes {
		if classes[name] == 0 {
			r.mistake(fmt.Sprintf("%sclasses[%d] must be campaign, detail, personal or content", at, i))
		}
	}
	if s.Classes != nil && len(s.Classes) == 0 {
		r.mistake(at + "classes is empty: leave it out for campaign and detail")
	}
	if len(s.Drop) > 0 && s.Only != nil {
		r.mistake(at + "drop and only exclude each other")
	}
	if s.Only != nil && len(s.Only) == 0 {
		r.mistake(at + "only is empty: nothing would be sent")
	}
	for field, names := range map[string][]webhook.Name{"drop": s.Drop, "only": s.Only} {
		for i, name := range names {
			if !name.Known() { // Iterable adds events without notice
				r.log.Warn("no event of that name is known", "field", fmt.Sprintf("%s%s[%d]", at, field, i))
			}
		}
	}
}

func (s rulesSpec) rules() mapping.Rules {
	rules := mapping.Rules{
		CutQuery: s.CutQuery, ClientData: s.ClientData, Subscriptions: s.Subscriptions, Namespace: s.Namespace,
	}
	for _, name := range s.Classes {
		rules.Classes |= classes[name]
	}
	if s.EmailFallback {
		rules.UserID = mapping.UserIDOrEmail
	}
	if s.Labels {
		rules.EventType = mapping.Label
	}
	switch {
	case s.Only != nil:
		rules.Keep = func(e webhook.Event) bool { return slices.Contains(s.Only, e.Name) }
	case len(s.Drop) > 0:
		rules.Keep = func(e webhook.Event) bool { return !slices.Contains(s.Drop, e.Name) }
	}
	return rules
}
