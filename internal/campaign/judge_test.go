package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/jetstream"
)

// webhook is the webhook of a number: all of it follows from the number.
func webhook(n int) []byte {
	return fmt.Appendf(nil, `{"email":"%[1]s@example.com","userId":"%[1]s","eventName":"emailClick","dataFields":{"campaignId":%[2]d,"messageId":"m-%[2]d","createdAt":"2026-05-04 09:15:40 +00:00","url":"https://example.com/%[2]d","isBot":false,"exact":%[2]d.000000000000000001,"padding":%[3]q}}`,
		user(n), n, padding(n))
}

func padding(n int) string { return strings.Repeat(string(rune('a'+n%26)), 100+n%1500) }

// Some events are refused at every attempt: by name, or without one.
func named(n int) bool   { return n%211 == 17 }
func unnamed(n int) bool { return n%307 == 23 }

// number is that of a webhook or event, by its message id.
func number(messageID string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(messageID, "m-"))
	if err != nil {
		return -1
	}
	return n
}

func numberOf(e amplitudetest.Event) int {
	id, _ := e.EventProperties["messageId"].(string)
	return number(id)
}

// ledger is what the driver knows: which numbers it has sent, and which are owed.
type ledger struct {
	pace *rate.Limiter // of a driver; nil for none

	mu     sync.Mutex
	next   int
	issued map[int]bool
	owed   map[int]bool
}

func (l *ledger) draw() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.issued == nil {
		l.issued, l.owed = make(map[int]bool), make(map[int]bool)
	}
	l.next++
	l.issued[l.next] = true
	return l.next
}

func (l *ledger) owe(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.owed[n] = true
}

func (l *ledger) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.owed)
}

// verdict is what the judge found.
type verdict struct {
	owed, delivered, dead, missing, spurious, corrupted, inTwoPlaces, duplicates int
	example                                                                      string // of the first fault
}

func (v *verdict) fault(count *int, format string, args ...any) {
	*count++
	v.example = cmp.Or(v.example, fmt.Sprintf(format, args...))
}

func (v verdict) String() string {
	return fmt.Sprintf("%d owed = %d delivered + %d dead; %d missing, %d spurious, %d corrupted, %d in two places, %d duplicates",
		v.owed, v.delivered, v.dead, v.missing, v.spurious, v.corrupted, v.inTwoPlaces, v.duplicates)
}

// arrivals are the events that Amplitude has, each looked at when it comes: all of them
// would not fit in memory.
type arrivals struct {
	mu        sync.Mutex
	delivered map[int]bool
	v         verdict
}

func (a *arrivals) add(e amplitudetest.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := numberOf(e)
	switch {
	case a.delivered[n]:
		a.v.fault(&a.v.duplicates, "event of %d", n)
	case e.UserID != user(n) || e.EventProperties["padding"] != padding(n)[:min(len(padding(n)), 1024)]:
		a.v.fault(&a.v.corrupted, "event of %d", n)
	}
	if a.delivered == nil {
		a.delivered = make(map[int]bool)
	}
	a.delivered[n] = true
}

// judge compares what is owed with what is there.
func (a *arrivals) judge(l *ledger, letters []iteramp.Letter) verdict {
	a.mu.Lock()
	defer a.mu.Unlock()
	v, dead := a.v, make(map[int]bool)
	for n := range a.delivered {
		if !l.issued[n] {
			v.fault(&v.spurious, "event of %d", n)
		}
	}
	for _, letter := range letters {
		var in struct {
			DataFields struct{ MessageID string }
		}
		_ = json.Unmarshal(letter.Webhook, &in)
		n := number(in.DataFields.MessageID)
		switch {
		case !l.issued[n]:
			v.fault(&v.spurious, "letter of %d, %s", n, letter.Reason)
		case !bytes.Equal(letter.Webhook, webhook(n)):
			v.fault(&v.corrupted, "letter of %d", n)
		case a.delivered[n]:
			v.fault(&v.inTwoPlaces, "%d, %s", n, letter.Reason)
		}
		dead[n] = true
	}
	for n := range l.owed {
		if !a.delivered[n] && !dead[n] {
			v.fault(&v.missing, "%d", n)
		}
	}
	v.owed, v.delivered, v.dead = len(l.owed), len(a.delivered), len(dead)
	return v
}

func judge(l *ledger, events []amplitudetest.Event, letters []iteramp.Letter) verdict {
	var a arrivals
	for _, e := range events {
		a.add(e)
	}
	return a.judge(l, letters)
}

// clean fails the test unless nothing is wrong.
func (v verdict) clean(t *testing.T) {
	t.Helper()
	t.Log(v)
	require.Zero(t, v.missing+v.spurious+v.corrupted+v.inTwoPlaces+v.duplicates, "%v; first: %s", v, v.example)
}

// lettersIn reads the dead letters of a store that nobody has open, and how many
// frames it has.
func lettersIn(t *testing.T, dir string) (letters []iteramp.Letter, frames int64) {
	store, err := jetstream.Embed(t.Context(), jetstream.EmbedConfig{Dir: dir})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	for l, err := range store.DeadLetter().All(t.Context()) {
		require.NoError(t, err)
		letters = append(letters, l)
	}
	backlog, err := store.Backlog(t.Context())
	require.NoError(t, err)
	for _, b := range backlog {
		frames += b.Frames
		require.Zero(t, b.Missing, "frames are lost")
	}
	return letters, frames
}

// The judge must find what it is there for.
func TestTheJudgeFindsEachFault(t *testing.T) {
	t.Parallel()
	event := func(n int) amplitudetest.Event {
		return amplitudetest.Event{UserID: user(n), EventProperties: map[string]any{"messageId": fmt.Sprintf("m-%d", n), "padding": padding(n)}}
	}
	letter := func(n int) iteramp.Letter { return iteramp.Letter{Webhook: webhook(n), Last: time.Now()} }
	other := event(1)
	other.UserID = "user-2"
	for name, tt := range map[string]struct {
		events  []amplitudetest.Event
		letters []iteramp.Letter
		want    verdict
	}{
		"nothing":       {[]amplitudetest.Event{event(1)}, []iteramp.Letter{letter(2)}, verdict{}},
		"missing":       {[]amplitudetest.Event{event(1)}, nil, verdict{missing: 1}},
		"spurious":      {[]amplitudetest.Event{event(1), event(9)}, []iteramp.Letter{letter(2), letter(8)}, verdict{spurious: 2}},
		"corrupted":     {[]amplitudetest.Event{other}, []iteramp.Letter{letter(2)}, verdict{corrupted: 1}},
		"in two places": {[]amplitudetest.Event{event(1), event(2)}, []iteramp.Letter{letter(2)}, verdict{inTwoPlaces: 1}},
		"duplicates":    {[]amplitudetest.Event{event(1), event(2), event(2)}, nil, verdict{duplicates: 1}},
	} {
		l := new(ledger)
		l.owe(l.draw())
		l.owe(l.draw())
		got := judge(l, tt.events, tt.letters)
		got.owed, got.delivered, got.dead, got.example = 0, 0, 0, ""
		require.Equal(t, tt.want, got, name)
	}
}
