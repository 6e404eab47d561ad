package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
)

var errDead = errors.New("the process is dead")

// mortal is what a relay reaches outside of its process. Once dead, nothing that it
// does has an effect, as after a kill: at a random step of a webhook's way.
type mortal struct {
	s     *site
	steps atomic.Int64 // left to live
}

// step is false once the process is dead.
func (m *mortal) step() bool { return m.steps.Add(-1) >= 0 }

func (m *mortal) Put(ctx context.Context, route string, frame []byte) error {
	if !m.step() {
		return errDead
	}
	err := m.s.queue.Put(ctx, route, frame)
	if !m.step() {
		return errDead
	}
	return err
}

func (m *mortal) Take(ctx context.Context, route string) (iteramp.Delivery, error) {
	if !m.step() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	d, err := m.s.queue.Take(ctx, route)
	if err != nil {
		return nil, err
	}
	return mortalDelivery{d, m}, nil
}

type mortalDelivery struct {
	iteramp.Delivery
	m *mortal
}

func (d mortalDelivery) Done(ctx context.Context) error {
	if !d.m.step() {
		return errDead
	}
	return d.Delivery.Done(ctx)
}

func (d mortalDelivery) Retry(ctx context.Context, after time.Duration) error {
	if d.m.steps.Load() <= 0 {
		return errDead
	}
	return d.Delivery.Retry(ctx, after)
}

func (d mortalDelivery) Extend(ctx context.Context) error {
	if d.m.steps.Load() <= 0 {
		return errDead
	}
	return d.Delivery.Extend(ctx)
}

type mortalLetters struct {
	iteramp.DeadLetter
	m *mortal
}

func (l mortalLetters) Put(ctx context.Context, letter iteramp.Letter) error {
	if !l.m.step() {
		return errDead
	}
	err := l.DeadLetter.Put(ctx, letter)
	if !l.m.step() {
		return errDead
	}
	return err
}

type mortalTransport struct {
	http.RoundTripper
	m *mortal
}

func (t mortalTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.m.step() {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}
	resp, err := t.RoundTripper.RoundTrip(r)
	if err == nil && !t.m.step() {
		_ = resp.Body.Close()
		return nil, errDead
	}
	return resp, err
}

// live runs a relay that dies after so many steps.
func (s *site) live(t *testing.T, steps int64) {
	m := &mortal{s: s}
	m.steps.Store(steps)
	s.makeOn(t, m, mortalLetters{&s.letters, m}, func(to http.RoundTripper) http.RoundTripper { return mortalTransport{to, m} })
	s.run(t)
}

func refusedByName(n int) bool { return n%7 == 3 }

// unlucky has Amplitude refuse some events, by name and without, and lose answers.
func (s *site) unlucky(rng *rand.Rand) (named *atomic.Int64) {
	named = new(atomic.Int64)
	var lock sync.Mutex
	s.fake.Drop(isDropped)
	s.fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		var bad []int
		events := sentIn(r)
		for i, e := range events {
			if refusedByName(number(e.Properties.MessageID)) {
				bad = append(bad, i)
			}
		}
		if len(bad) > 0 {
			named.Add(1)
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"code":400,"events_with_invalid_fields":{"time":[%s]}}`, strings.Trim(strings.Join(strings.Fields(fmt.Sprint(bad)), ","), "[]"))
			return true
		}
		lock.Lock()
		defer lock.Unlock()
		switch rng.IntN(8) {
		case 0:
			s.fake.LoseNext(pick(rng, 0, 500, 502))
			if s.hindered && rng.IntN(2) == 0 { // and the repetition finds the user so
				hinder, u := pick(rng, s.fake.Throttle, s.fake.ExhaustQuota), pick(rng, events...).UserID
				time.AfterFunc(time.Millisecond, func() { hinder(u) })
			}
		case 1:
			w.WriteHeader(pick(rng, 500, 503))
			return true
		}
		return false
	})
	return named
}

// A process dies at any step of a webhook's way, again and again.
func TestF01Virtual(t *testing.T) {
	var named atomic.Int64
	var twice atomic.Int64
	eachInBubble(t, "F01v", "death at any step", counts{300, 10_000, 100_000}, func(t *testing.T, rng *rand.Rand) {
		s := newSite(t)
		s.stop()
		s.hindered = true
		partly := s.unlucky(rand.New(rand.NewPCG(rng.Uint64(), 0)))
		for range 1 + rng.IntN(4) {
			s.live(t, rng.Int64N(60))
			for range 1 + rng.IntN(25) {
				n := s.post()
				if rng.IntN(3) == 0 {
					time.Sleep(time.Duration(rng.IntN(700)) * time.Millisecond)
				}
				switch u := user(n); rng.IntN(6) { // perhaps of an event whose answer was lost
				case 0:
					s.fake.ExhaustQuota(u)
				case 1:
					s.fake.Throttle(u)
				}
			}
			time.Sleep(pick(rng, time.Duration(rng.IntN(20))*time.Second, time.Duration(rng.IntN(600))*time.Second))
			s.stop()
			for u := range users {
				if rng.IntN(2) == 0 {
					s.fake.Release(user(u))
				}
			}
		}
		twice.Add(int64(s.fake.Duplicates()))
		named.Add(partly.Load())
		s.hindered = false // nobody sends now
		s.live(t, 1<<40)
		s.settleStill(t)
	})
	if *tier != "" && *times == 0 {
		require.Positive(t, named.Load(), "no event was refused by name")
		require.Positive(t, twice.Load(), "nothing was sent twice: no death came after Amplitude's answer")
	}
}

// The store fails, is slow or is full. What is answered 200 is in it, and all else
// is 503.
func TestF04Virtual(t *testing.T) {
	var refused atomic.Int64
	eachInBubble(t, "F04v", "a store that fails, is slow or is full", counts{300, 5_000, 50_000}, func(t *testing.T, rng *rand.Rand) {
		s := newSite(t)
		s.fake.FailNext(503, 503)
		s.queue.Slow = time.Duration(rng.IntN(3)) * time.Millisecond
		if rng.IntN(3) == 0 {
			s.queue.Slow = time.Duration(rng.IntN(4900)) * time.Millisecond // a webhook is held for 5 seconds
		}
		s.queue.Limit = pick(rng, 0, 0, 1, 3, 10)
		var wg sync.WaitGroup
		for range 1 + rng.IntN(40) {
			s.queue.Fail(pick(rng, nil, nil, errDead))
			for range 1 + rng.IntN(4) {
				wg.Go(func() {
					n := s.ledger.draw()
					code := s.postAs(n, webhook(n))
					if code == http.StatusServiceUnavailable {
						refused.Add(1)
						return
					}
					if code != http.StatusOK {
						t.Errorf("answered %d", code)
					}
				})
			}
			time.Sleep(time.Duration(rng.IntN(1500)) * time.Millisecond)
		}
		wg.Wait()
		s.queue.Fail(nil)
		time.Sleep(time.Minute)
		v := s.settle(t)
		require.Equal(t, v.owed, v.delivered)
	})
	if *tier != "" && *times == 0 {
		require.Positive(t, refused.Load(), "nothing was refused")
	}
}

// Between good frames lie some that nobody can read. Each is a letter with its
// bytes, and stops nobody.
func TestF05Virtual(t *testing.T) {
	eachInBubble(t, "F05v", "frames that nobody can read", counts{300, 5_000, 50_000}, func(t *testing.T, rng *rand.Rand) {
		s := newSite(t)
		s.stop()
		s.make(t)
		bad := make(map[string]bool)
		for range 1 + rng.IntN(20) {
			if rng.IntN(2) == 0 {
				s.post()
				continue
			}
			frame := make([]byte, 1+rng.IntN(200))
			for i := range frame {
				frame[i] = byte(rng.Uint32())
			}
			frame[0] = byte(100 + rng.IntN(100)) // a version of the future
			bad[string(frame)] = true
			require.NoError(t, s.queue.Put(t.Context(), "default", frame))
		}
		s.run(t)
		time.Sleep(time.Minute)
		for _, l := range s.letters.List() {
			require.Equal(t, iteramp.ReasonFrame, l.Reason)
			require.True(t, bad[string(l.Webhook)], "a letter of something else")
			delete(bad, string(l.Webhook))
			require.NoError(t, s.letters.Delete(t.Context(), l.Route, l.ID))
		}
		require.Empty(t, bad, "frames without a letter")
		v := s.settle(t)
		require.Equal(t, v.owed, v.delivered)
	})
}
