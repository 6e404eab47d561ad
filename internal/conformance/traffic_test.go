package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// use is one way to use a method of the client.
type use struct {
	method string // "Lists.Create"
	name   string // minimal, full, or what is special
	call   call
	status int                      // of the answer; zero means 200
	fake   func(*iterabletest.Fake) // what the project has besides project()
	failed bool                     // status 200, with failures that the client reports
	broken bool                     // the document refuses the request, as the fake does
}

type call func(context.Context, *iterable.Client) error

const (
	minimal = "minimal"
	full    = "full"
)

// uses are all there are.
var uses = slices.Concat(listUses, userUses, identityUses, deviceUses, eventUses, subscriptionUses, campaignUses, webhookUses, rawUses)

// What the project of every use has.
const (
	ann    = "ann@example.com" // knows no userId
	bobID  = "u-1001"          // knows no address
	gone   = "gone@example.com"
	list   = 5_000_000_001
	hook   = 61001
	single = 51001 // a campaign
	parent = 51002
	child  = 51003
)

var past = time.Date(2026, 5, 4, 7, 31, 12, 0, time.UTC)

func project() *iterabletest.Fake {
	f := &iterabletest.Fake{ProjectType: iterable.ProjectTypeHybrid, OptInMessageTypes: true, DisallowedEvents: []string{"blocked"}}
	f.AddUser(ann, map[string]any{"plan": "gold", "visits": 3, "tags": []any{"a"}})
	f.AddUser(bobID, map[string]any{"plan": "silver", "tags": []any{"b"}})
	f.AddList("VIP", ann, bobID)
	f.Forget(gone)
	f.AddWebhook(iterabletest.Webhook{ID: hook, Endpoint: "https://hook.example.com", ChannelIDs: []int64{71001}, MessageTypeIDs: []int64{81001}})
	f.AddCampaign(iterabletest.Campaign{
		ID: single, Name: "Spring", Type: "Blast", State: "Finished", TemplateID: 9001, ListIDs: []int64{list}, Labels: []string{"sale"},
		CreatedAt: past, StartAt: past, Metrics: map[string]string{"Total Emails Sent": "7"},
	})
	f.AddCampaign(iterabletest.Campaign{ID: parent, Name: "Weekly", State: "Recurring"})
	f.AddCampaign(iterabletest.Campaign{ID: child, Name: "Week 1", RecurringCampaignID: parent})
	f.AddSentMessage(ann, iterabletest.SentMessage{MessageID: "m-1", CampaignID: single, TemplateID: 9001, CreatedAt: past})
	return f
}

// run makes the exchanges of a use. MaxAttempts is one and no rate holds, so that
// it sends what the use says and nothing waits.
func (u use) run(ctx context.Context, f *iterabletest.Fake) ([]exchange, error) {
	if u.fake != nil {
		u.fake(f)
	}
	cfg := f.Config()
	w := &wire{fake: cfg.HTTPClient.Transport}
	var ops []string
	cfg.BaseURL = "" // Iterable's own, from memory
	cfg.HTTPClient = &http.Client{Transport: w}
	cfg.MaxAttempts = 1
	cfg.Limits = unlimited()
	cfg.OnAttempt = func(_ context.Context, a iterable.Attempt) { ops = append(ops, a.Op) }
	client, err := iterable.NewClient(cfg)
	if err != nil {
		return nil, err
	}
	err = u.call(ctx, client)
	if len(ops) == 0 || len(ops) != len(w.seen) {
		return nil, fmt.Errorf("%d attempts, %d requests: %w", len(ops), len(w.seen), err)
	}
	for i := range w.seen {
		w.seen[i].op, w.seen[i].use = ops[i], u
	}
	return w.seen, u.judge(w.seen[len(w.seen)-1].status, err)
}

// wanted is the status that the use's last answer has.
func (u use) wanted() int { return cmp.Or(u.status, http.StatusOK) }

func (u use) judge(status int, err error) error {
	switch {
	case status != u.wanted():
		return fmt.Errorf("status %d instead of %d: %w", status, u.wanted(), err)
	case (err != nil) != (u.failed || u.wanted() >= 400):
		return fmt.Errorf("status %d and error %w", status, err)
	}
	return nil
}

// limited are the operations that the client has limits for, which are those that
// it has methods for: it refuses a Config that names another.
var limited = sync.OnceValue(func() []string {
	var ops []string
	for _, op := range declared() {
		_, err := iterable.NewClient(iterable.Config{APIKey: "k", Limits: map[string]iterable.Limiter{op: nil}})
		if err == nil {
			ops = append(ops, op)
		}
	}
	return ops
})

func unlimited() map[string]iterable.Limiter {
	all := make(map[string]iterable.Limiter)
	for _, op := range limited() {
		all[op] = nil
	}
	return all
}

// declared are the operations of the document.
var declared = sync.OnceValue(func() []string {
	var ops []string
	for path, item := range truth().spec.Paths.Map() {
		for method := range item.Operations() {
			ops = append(ops, method+" "+path)
		}
	}
	slices.Sort(ops)
	return ops
})

// truth is the document as the API is.
var truth = sync.OnceValue(func() *document {
	d, err := load(swagger, deviations)
	if err != nil {
		panic(err)
	}
	return d
})

// traffic is every exchange there is: of all uses, and of each operation once more
// for every refusal that it may meet.
var traffic = sync.OnceValues(func() ([]exchange, error) {
	var all []exchange
	var errs []error
	add := func(u use, f *iterabletest.Fake) []exchange {
		made, err := u.run(context.Background(), f)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s, %s: %w", u.method, u.name, err))
		}
		all = append(all, made...)
		return made
	}
	for _, u := range uses {
		made := add(u, project())
		if u.name != minimal || len(made) == 0 {
			continue
		}
		for _, status := range refusals(made[0].op) {
			f := project()
			f.FailNext(status)
			add(use{method: u.method, name: "refused by " + strconv.Itoa(status), call: u.call, status: status}, f)
		}
	}
	return all, errors.Join(errs...)
})

// refusals are the statuses with which the document has an operation refused.
func refusals(op string) []int {
	operation := operationOf(op)
	if operation == nil {
		return nil
	}
	var all []int
	for status := range operation.Responses.Map() {
		if n, _ := strconv.Atoi(status); n >= 400 && !(op == doubleOptIn && n == 400) {
			all = append(all, n)
		}
	}
	slices.Sort(all)
	return all
}

// doubleOptIn has a form of its own for status 400, which FailNext does not know.
const doubleOptIn = "POST /api/subscriptions/subscribeToDoubleOptIn"

// filled returns a request in which nothing is zero.
func filled[T any](v T) T {
	if name := zero(reflect.ValueOf(v)); name != "" {
		panic(fmt.Sprintf("%T: %s is not set", v, name))
	}
	return v
}

// zero names a field that is zero.
func zero(v reflect.Value) string {
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			if name := zero(v.Index(i)); name != "" {
				return name
			}
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				return v.Type().Field(i).Name
			}
			if name := zero(v.Field(i)); name != "" {
				return name
			}
		}
	}
	return ""
}

func drop[T any](_ T, err error) error { return err }

func drain[T any](all iter.Seq2[T, error]) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}
