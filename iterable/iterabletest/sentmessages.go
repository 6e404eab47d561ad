package iterabletest

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// SentMessage is a message that a user was sent.
type SentMessage struct {
	MessageID              string
	CampaignID, TemplateID int64
	CreatedAt              time.Time
	Medium                 string // Email, Push, InApp or SMS; zero means Email
	Blast                  bool   // of a blast campaign
}

// AddSentMessage lets users/getSentMessages show a message to the user with
// this userId or e-mail address, who is added if there is none.
func (f *Fake) AddSentMessage(id string, m SentMessage) {
	now := f.now()
	defer f.lock()()
	if m.Medium == "" {
		m.Medium = "Email"
	}
	p := f.seed(id, now)
	p.more().sent = append(p.extra.sent, m)
}

// sentFilter is what a request asks for.
type sentFilter struct {
	limit      int
	campaigns  []string
	start, end time.Time
	noBlasts   bool
	medium     string
}

// getSentMessages is GET /api/users/getSentMessages: the newest first, none for
// an unknown user.
func (f *Fake) getSentMessages(c call) reply {
	who := make(map[string]any)
	for name, values := range c.query {
		who[name] = values[0]
	}
	id := whom(who)
	if x := f.check(id); x != nil {
		return refusal(x[0], http.StatusBadRequest)
	}
	want, problem := sentFilterOf(c.query)
	if problem != "" {
		return badParams(problem, nil)
	}
	messages := []map[string]any{}
	p, _ := f.find(id)
	for _, m := range p.sentNewestFirst() {
		if len(messages) < want.limit && want.takes(m) {
			messages = append(messages, map[string]any{
				"messageId": m.MessageID, "campaignId": m.CampaignID, "templateId": m.TemplateID, "createdAt": stamp(m.CreatedAt.UnixMilli()),
			})
		}
	}
	return ok(map[string]any{"messages": messages})
}

func (p *person) sentNewestFirst() []SentMessage {
	if p == nil || p.extra == nil {
		return nil
	}
	sent := slices.Clone(p.extra.sent)
	slices.SortStableFunc(sent, func(a, b SentMessage) int { return b.CreatedAt.Compare(a.CreatedAt) })
	return sent
}

func sentFilterOf(q url.Values) (want sentFilter, problem string) {
	want = sentFilter{limit: 10, campaigns: q["campaignIds"], medium: q.Get("messageMedium")}
	var err error
	if s := q.Get("limit"); s != "" {
		want.limit, err = strconv.Atoi(s)
	}
	if err != nil || want.limit < 1 || want.limit > 1000 {
		return want, "limit must be between 1 and 1000"
	}
	want.noBlasts = q.Get("excludeBlastCampaigns") == "true" && len(want.campaigns) == 0
	if want.medium != "" && !slices.Contains([]string{"Email", "Push", "InApp", "SMS"}, want.medium) {
		return want, "messageMedium is unknown"
	}
	for name, at := range map[string]*time.Time{"startDateTime": &want.start, "endDateTime": &want.end} {
		if s := q.Get(name); s != "" {
			if *at, err = time.Parse("2006-01-02 15:04:05 -07:00", s); err != nil {
				return want, name + " must have the format yyyy-MM-dd HH:mm:ss ZZ"
			}
		}
	}
	return want, ""
}

func (w sentFilter) takes(m SentMessage) bool {
	return !(len(w.campaigns) > 0 && !slices.Contains(w.campaigns, strconv.FormatInt(m.CampaignID, 10)) ||
		!w.start.IsZero() && m.CreatedAt.Before(w.start) || !w.end.IsZero() && !m.CreatedAt.Before(w.end) ||
		w.noBlasts && m.Blast || w.medium != "" && w.medium != m.Medium)
}
