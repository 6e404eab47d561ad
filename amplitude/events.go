package amplitude

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// EventsService uploads events.
type EventsService struct{ core *core }

// EventUploadRequest is the events of one upload, any number of them.
type EventUploadRequest struct {
	Events []Event
	// MinIDLength is the least length of a UserID or DeviceID that Amplitude
	// accepts, zero means its default of 5.
	MinIDLength int
}

// Upload sends events through the HTTP V2 API, which has them on show within
// moments and takes 30 events a second for each user or device.
//
// Any number of events may be passed: they are sent in requests of at most
// 1,000 events and 900,000 bytes, one after another, in their order. The result
// is nil if Amplitude accepted all of them. Any failure but a mistake of the call
// (a Client that was not made by NewClient, a negative MinIDLength) is a
// [*BatchError], with the fate of each event that was not accepted.
// What Amplitude names as invalid is left out and the rest is sent again; if it
// names nothing, halves are tried. Events of throttled users are sent again after
// 30 seconds, as often as [Config.MaxAttempts] allows. After a failure that is
// not the events', such as a refused key or an outage, nothing more is sent.
//
// ctx bounds all of it, waits included. A wait that would outlast its deadline is
// not begun.
//
// An event without an InsertID gets one, in req.Events, so that sending it again
// is harmless. So two uploads may not share a slice at a time.
//
// Reference: https://amplitude.com/docs/apis/analytics/http-v2
func (s *EventsService) Upload(ctx context.Context, req EventUploadRequest) error {
	return s.upload(ctx, httpV2, req)
}

// UploadBatch is [EventsService.Upload] through the Batch API: for backfills and
// bursts. It takes 1,000 events a second for each user or device and 500,000 a
// day, has them on show within about 15 minutes and keeps no order. Requests
// hold up to 1,000 events and 18,000,000 bytes; four are under way at a time.
//
// Reference: https://amplitude.com/docs/apis/analytics/batch-event-upload
func (s *EventsService) UploadBatch(ctx context.Context, req EventUploadRequest) error {
	return s.upload(ctx, batchUpload, req)
}

func (s *EventsService) upload(ctx context.Context, ep endpoint, req EventUploadRequest) error {
	if s.core == nil {
		return errNoClient
	}
	if req.MinIDLength < 0 {
		return errors.New("amplitude: EventUploadRequest.MinIDLength is negative")
	}
	u := &upload{core: s.core, endpoint: ep, req: req, throttled: make(map[string]bool)}
	todo := make([]int, len(req.Events))
	for i := range todo {
		todo[i] = i
	}
	for attempt := 1; len(todo) > 0; attempt++ {
		u.pass(ctx, todo)
		slices.Sort(u.later)
		todo = u.later
		if len(todo) == 0 || attempt >= s.core.rest.MaxAttempts || u.stopped != nil || !wait(ctx, throttlePause) {
			break
		}
		u.later, u.throttled = nil, make(map[string]bool)
	}
	return u.result(ctx, todo)
}

// wait is false if the context ends first, or is known to.
func wait(ctx context.Context, d time.Duration) bool {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// upload is one call of Upload on its way.
type upload struct {
	core     *core
	endpoint endpoint
	req      EventUploadRequest

	mu        sync.Mutex
	rejected  []ItemError
	throttled map[string]bool // users and devices to leave alone for now
	later     []int           // events of theirs, in order
	lastErr   error           // why they were
	stopped   error           // a fault that is not the events'
}

// pass sends the events once. Where order counts, each batch is settled before
// the next is cut; else batches go to as many workers as the endpoint allows.
func (u *upload) pass(ctx context.Context, todo []int) {
	if u.endpoint.parallel == 1 {
		u.cut(todo, func(b *batch) { u.settle(ctx, b) })
		return
	}
	batches := make(chan *batch)
	var wg sync.WaitGroup
	for range min(u.endpoint.parallel, 1+len(todo)/maxEvents) {
		wg.Go(func() {
			for b := range batches {
				u.settle(ctx, b)
			}
		})
	}
	u.cut(todo, func(b *batch) { batches <- b })
	close(batches)
	wg.Wait()
}

// cut makes batches of the events and passes each on.
func (u *upload) cut(todo []int, send func(*batch)) {
	b := batches.Get().(*batch)
	for _, i := range todo {
		e := &u.req.Events[i]
		if u.hold(i, e) {
			continue
		}
		if err := checkEvent(e, u.req.MinIDLength); err != nil {
			u.reject(i, ReasonInvalid, err)
			continue
		}
		if e.InsertID == "" {
			e.InsertID = rand.Text()
		}
		ok, err := b.add(i, e, u.endpoint.room())
		if !ok {
			send(b)
			if b = batches.Get().(*batch); u.hold(i, e) {
				continue
			}
			_, err = b.add(i, e, u.endpoint.room())
		}
		if err != nil {
			u.reject(i, ReasonInvalid, err)
		}
	}
	if len(b.items) > 0 {
		send(b)
	} else {
		b.free()
	}
}

// hold keeps an event back: its user is throttled, or the upload has stopped.
func (u *upload) hold(i int, e *Event) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case u.stopped != nil:
		u.rejected = append(u.rejected, ItemError{i, ReasonUnsent, u.stopped})
		return true
	case u.throttled[key(e)]:
		u.later = append(u.later, i)
		return true
	}
	return false
}

func (u *upload) reject(i int, reason Reason, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.rejected = append(u.rejected, ItemError{i, reason, err})
}

func (u *upload) settle(ctx context.Context, b *batch) {
	defer b.free()
	s := settling{core: u.core, endpoint: u.endpoint, minIDLength: u.req.MinIDLength, fate: u.fate}
	if err := s.run(ctx, b); err != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.stopped == nil {
			u.stopped = err
		}
	}
}

func (u *upload) fate(it item, reason Reason, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch reason {
	case "":
	case ReasonThrottled:
		u.throttled[it.key()] = true
		u.later = append(u.later, it.index)
		u.lastErr = err
	default:
		u.rejected = append(u.rejected, ItemError{it.index, reason, err})
	}
}

// result is the error of the upload. held are the events still throttled.
func (u *upload) result(ctx context.Context, held []int) error {
	if err := ctx.Err(); err != nil && len(held) > 0 {
		u.lastErr = fmt.Errorf("%w (%w)", u.lastErr, err)
	}
	for _, i := range held {
		u.rejected = append(u.rejected, ItemError{i, ReasonThrottled, u.lastErr})
	}
	if len(u.rejected) == 0 {
		return nil
	}
	slices.SortFunc(u.rejected, func(a, b ItemError) int { return cmp.Compare(a.Index, b.Index) })
	return &BatchError{Accepted: len(u.req.Events) - len(u.rejected), Rejected: u.rejected}
}

// key is what Amplitude throttles an event by.
func key(e *Event) string { return cmp.Or(e.UserID, e.DeviceID) }

// Mistakes of an event. They are values, so that thousands of events that share
// one have one cause.
var (
	errNoType = errors.New("event_type is missing")
	errNoID   = errors.New("user_id and device_id are missing")
	idErrors  = map[string]struct{ reserved, short, long error }{
		"user_id":   newIDErrors("user_id"),
		"device_id": newIDErrors("device_id"),
	}
)

func newIDErrors(name string) struct{ reserved, short, long error } {
	return struct{ reserved, short, long error }{
		errors.New(name + " is one of those Amplitude refuses"),
		errors.New(name + " is shorter than min_id_length"),
		errors.New(name + " is longer than 1024 characters"),
	}
}

// checkEvent refuses what Amplitude would refuse, or take and drop, so that one
// bad event does not cost its batch.
func checkEvent(e *Event, minIDLength int) error {
	if e.EventType == "" {
		return errNoType
	}
	if e.UserID == "" && e.DeviceID == "" {
		return errNoID
	}
	return cmp.Or(checkID("user_id", e.UserID, minIDLength), checkID("device_id", e.DeviceID, minIDLength))
}

func checkID(name, id string, minIDLength int) error {
	n := utf8.RuneCountInString(id)
	switch {
	case id == "":
		return nil
	case len(id) <= maxReserved && reservedIDs[strings.ToLower(id)]:
		return idErrors[name].reserved
	case n < cmp.Or(minIDLength, 5):
		return idErrors[name].short
	case n > 1024:
		return idErrors[name].long
	}
	return nil
}

const maxReserved = 36 // bytes of the longest of them

// reservedIDs are refused by Amplitude as user_id and device_id. Its pages do
// not say whether in capitals too.
var reservedIDs = map[string]bool{
	"anonymous": true, "nil": true, "none": true, "null": true, "n/a": true, "na": true,
	"undefined": true, "unknown": true, `""`: true, "{}": true, "lmy47d": true, "0": true, "-1": true,
	"00000000-0000-0000-0000-000000000000": true,
}
