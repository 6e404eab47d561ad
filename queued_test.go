package iteramp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/internal/queuetest"
	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

// durable is a relay with a queue, and all around it. Its test runs in a bubble.
type durable struct {
	t       *testing.T
	fake    amplitudetest.Fake
	queue   queuetest.Queue
	letters queuetest.Letters
	relay   *iteramp.Relay
	stop    func() // ends Run and waits for that

	mu       sync.Mutex
	outcomes []iteramp.RelayOutcome
	log      bytes.Buffer
}

func newDurable(t *testing.T, change ...func(*iteramp.RelayConfig)) *durable {
	d := &durable{t: t}
	d.restart(change...)
	return d
}

// restart makes the relay anew, as a new process would. Run is not begun.
func (d *durable) restart(change ...func(*iteramp.RelayConfig)) {
	d.relay = newRelay(d.t, &d.fake, append([]func(*iteramp.RelayConfig){func(cfg *iteramp.RelayConfig) {
		cfg.Queue, cfg.DeadLetter = &d.queue, &d.letters
		cfg.Logger = slog.New(slog.NewTextHandler(d, nil))
		cfg.OnOutcome = func(_ context.Context, o iteramp.RelayOutcome) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.outcomes = append(d.outcomes, o)
		}
	}}, change...)...)
}

func (d *durable) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.Write(p)
}

func (d *durable) logged() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

func (d *durable) fates() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	got := make(map[string]int)
	for _, o := range d.outcomes {
		got[strings.TrimSpace(fmt.Sprint(o.Fate, " ", o.Reason))]++
	}
	return got
}

func (d *durable) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := d.relay.Run(ctx); err != nil {
			d.t.Error(err)
		}
	}()
	d.stop = func() {
		cancel()
		<-ended
	}
	d.t.Cleanup(d.stop)
}

func (d *durable) post(user string, n int) int { return post(d.relay, token, click(user, n)).Code }

// ids are those of what arrived, once each.
func (d *durable) ids() map[string]bool {
	got := make(map[string]bool)
	for _, e := range d.fake.Events() {
		require.False(d.t, got[e.InsertID], "a duplicate")
		got[e.InsertID] = true
	}
	return got
}

var errDisk = errors.New("the disk is gone")

func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Parallel()
	synctest.Test(t, f)
}

func TestAQueuedWebhookIsAnsweredWhenItIsStored(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		require.Equal(t, 200, d.post("user-1", 1))
		require.Equal(t, 1, d.queue.Waiting())
		require.Empty(t, d.fake.Events())
		require.Empty(t, d.fates(), "its fate is not known")
		require.EqualValues(t, 1, d.relay.Stats().Accepted)

		d.run()
		time.Sleep(time.Second)
		require.Len(t, d.fake.Events(), 1)
		require.Zero(t, d.queue.Waiting())
		require.Equal(t, map[string]int{"delivered": 1}, d.fates())
		require.True(t, d.relay.Stats().Running)
		require.ErrorIs(t, d.relay.Run(t.Context()), iteramp.ErrRunning)
		d.stop()
	})
}

func TestEveryPayloadComesThroughTheQueueAsWithoutOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		d.run()
		want := make(map[string]bool)
		for name, body := range iterabletest.Payloads() {
			e, err := webhook.Parse(body)
			status := 200
			if err != nil {
				status = 400
			}
			require.Equal(t, status, post(d.relay, token, body).Code, name)
			if err != nil {
				continue
			}
			if out, err := (mapping.Rules{}).Event(e, time.Now()); err == nil {
				want[out.InsertID] = true
			}
		}
		time.Sleep(time.Minute)
		require.Equal(t, want, d.ids())
		require.Len(t, want, 78)
		require.EqualValues(t, 8, d.relay.Stats().Skipped[mapping.ErrNoUserID]+d.relay.Stats().Skipped[mapping.ErrRefusedUserID])
		require.Zero(t, d.queue.Waiting())
		d.stop()
	})
}

func TestASkippedWebhookIsNotQueued(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		require.Equal(t, 200, d.post("", 1))
		require.Zero(t, d.queue.Waiting())
		require.Equal(t, map[string]int{"skipped no_user_id": 1}, d.fates())
	})
}

// One durable write serves all who arrive while another is under way.
func TestRequestsShareAWrite(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		d.queue.Slow = 5 * time.Millisecond
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() { require.Equal(t, 200, d.post("user-1", i)) })
		}
		wg.Wait()
		require.LessOrEqual(t, d.queue.Puts.Load(), int64(6))
		d.run()
		time.Sleep(time.Minute)
		require.Equal(t, 1000, len(d.ids()))
		d.stop()
	})
}

func TestAQueueThatFailsIsAnswered503(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		d.queue.Fail(errDisk)
		require.Equal(t, 503, d.post("user-1", 1))
		require.Error(t, d.relay.Ready())
		require.Equal(t, map[string]int{"failed queue": 1}, d.fates())
		puts := d.queue.Puts.Load()
		require.Equal(t, 503, d.post("user-1", 2), "at once")
		require.Equal(t, puts, d.queue.Puts.Load())

		d.queue.Fail(nil)
		time.Sleep(time.Second)
		require.NoError(t, d.relay.Ready())
		require.Equal(t, 200, d.post("user-1", 3))
		require.Equal(t, 1, strings.Count(d.logged(), "takes no webhooks"))
		require.Equal(t, 1, strings.Count(d.logged(), "takes webhooks again"))
		require.NotContains(t, d.logged(), "user-1")
	})
}

func TestAFullQueueIsAnswered503BeforeTheBodyIsRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		d.queue.Limit = 1
		require.Equal(t, 200, d.post("user-1", 1))
		require.Equal(t, 503, d.post("user-1", 2))
		require.Equal(t, map[string]int{"failed queue_full": 1}, d.fates())
		req := iterabletest.WebhookRequest(token, click("user-1", 3))
		req.Body = unread{t}
		rec := httptest.NewRecorder()
		d.relay.ServeHTTP(rec, req)
		require.Equal(t, 503, rec.Code)
		require.NotEmpty(t, rec.Header().Get("Retry-After"))

		d.run()
		time.Sleep(2 * time.Second)
		require.Equal(t, 200, d.post("user-1", 2), "sent again by its sender, there is room")
		time.Sleep(time.Second)
		require.Equal(t, 2, len(d.ids()))
		d.stop()
	})
}

func TestASlowQueueIsAnsweredWithinTheTime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		d.queue.Slow = time.Hour
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				start := time.Now()
				require.Equal(t, 503, d.post("user-1", i))
				require.LessOrEqual(t, time.Since(start), 5*time.Second+100*time.Millisecond)
			})
		}
		wg.Wait()
	})
}

func TestAWebhookTooLargeForTheQueueIs413(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		d.queue.Fail(fmt.Errorf("%w: 9 bytes", iteramp.ErrFrameTooLarge))
		require.Equal(t, 413, d.post("user-1", 1))
		d.queue.Fail(nil)
		require.Equal(t, 200, d.post("user-1", 1))
	})
}

func TestAnOutageOfAMonthLosesNothing(t *testing.T) {
	if testing.Short() {
		t.Skip("a matter of volume")
	}
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		d.run()
		var pause atomic.Value
		pause.Store("300")
		d.fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", pause.Load().(string))
			w.WriteHeader(503)
			return true
		})
		for day := range 30 {
			if day%3 == 0 {
				require.Equal(t, 200, d.post(fmt.Sprintf("user-%d", day%7), day))
			}
			time.Sleep(24 * time.Hour)
		}
		require.Empty(t, d.fates())
		pause.Store("0")
		time.Sleep(time.Hour)
		before := len(d.fake.Requests())
		time.Sleep(time.Minute)
		require.LessOrEqual(t, len(d.fake.Requests())-before, 12)

		d.fake.Intercept(nil)
		start := time.Now()
		for len(d.fake.Events()) == 0 {
			time.Sleep(10 * time.Millisecond)
		}
		require.LessOrEqual(t, time.Since(start), 5*time.Second)
		time.Sleep(time.Minute)
		require.Equal(t, 10, len(d.ids()))
		require.Zero(t, d.queue.Waiting())
		require.Equal(t, map[string]int{"delivered": 10}, d.fates())
		d.stop()
	})
}

// A webhook that is settled is settled; the rest of its frame goes back when Run
// ends, and comes again to the next process.
func TestRunGivesBackWhatItCannotDeliver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		d.fake.Throttle("busy-user")
		d.queue.Slow = time.Millisecond
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() { require.Equal(t, 200, d.post([]string{"busy-user", "user-1"}[i%2], i)) })
			if i == 0 {
				synctest.Wait() // so that it is busy-user's that has a frame of its own
			}
		}
		wg.Wait()
		d.run()
		time.Sleep(time.Second)
		require.Equal(t, map[string]int{"delivered": 5}, d.fates())
		start := time.Now()
		d.stop()
		require.LessOrEqual(t, time.Since(start), 10*time.Second)
		require.Equal(t, 2, d.queue.Waiting())
		require.Equal(t, map[string]int{"delivered": 5}, d.fates())

		d.fake.Release("busy-user")
		d.restart()
		d.run()
		time.Sleep(time.Second)
		require.Zero(t, d.queue.Waiting())
		require.Equal(t, 10, len(d.ids()))
		d.stop()
	})
}

// A webhook that was given up stays a dead letter when the rest of its frame comes
// again, even if it could be delivered now.
func TestWhatWasGivenUpStaysADeadLetterWhenItsFrameComesAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		boom := func(cfg *iteramp.RelayConfig) {
			cfg.Routes[0].Rules.Keep = func(e webhook.Event) bool {
				if e.UserID == "panic-user" {
					panic("boom")
				}
				return true
			}
		}
		d := newDurable(t)
		d.fake.ExhaustQuota("spent-user")
		d.fake.Throttle("busy-user")
		d.queue.Slow = time.Millisecond
		var wg sync.WaitGroup
		for i, user := range []string{"busy-user", "spent-user", "panic-user", "busy-user", "user-1"} {
			wg.Go(func() { require.Equal(t, 200, d.post(user, i)) })
			if i == 0 {
				synctest.Wait() // so that the others share a frame
			}
		}
		wg.Wait()
		require.Equal(t, 2, d.queue.Waiting())
		d.restart(boom)
		d.run()
		time.Sleep(time.Minute)
		want := map[string]int{"quota": 1, "panic": 1}
		require.Equal(t, want, d.letters.Reasons())
		d.stop()
		require.Equal(t, 2, d.queue.Waiting())

		d.fake.Release("busy-user", "spent-user")
		d.restart()
		d.run()
		time.Sleep(time.Minute)
		require.Zero(t, d.queue.Waiting())
		require.Equal(t, 3, len(d.ids()))
		require.Equal(t, want, d.letters.Reasons())
		for _, l := range d.letters.List() {
			require.NotContains(t, d.ids(), l.ID, "in two places")
		}
		require.Equal(t, map[string]int{"delivered": 4, "refused quota": 2, "refused panic": 2}, d.fates(), "of what comes again it is told again")
		d.stop()
	})
}

// Each kind of webhook that Amplitude never takes is in the dead letter, and only
// there.
func TestWhatIsGivenUpIsADeadLetter(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		d.fake.Drop(func(e amplitudetest.Event) bool { return e.UserID == "lost-user" })
		d.fake.ExhaustQuota("spent-user")
		d.fake.Throttle("busy-user")
		for i, user := range []string{"user-1", "lost-user", "spent-user", "busy-user", "user-2"} {
			require.Equal(t, 200, d.post(user, i))
		}
		d.run()
		time.Sleep(4 * time.Minute)
		require.Equal(t, map[string]int{"invalid": 1, "quota": 1}, d.letters.Reasons())
		require.Equal(t, 1, d.queue.Waiting())
		time.Sleep(3 * time.Minute)
		require.Equal(t, map[string]int{"invalid": 1, "quota": 1, "throttled": 1}, d.letters.Reasons())
		require.Equal(t, map[string]int{"delivered": 2, "refused invalid": 1, "refused quota": 1, "refused throttled": 1}, d.fates())
		require.Zero(t, d.queue.Waiting())
		require.Equal(t, map[string]int64{"invalid": 1, "quota": 1, "throttled": 1}, d.relay.Stats().Refused)
		arrived := d.ids()
		for _, l := range d.letters.List() {
			require.NotContains(t, arrived, l.ID, "in two places")
			e, err := webhook.Parse(l.Webhook)
			require.NoError(t, err)
			require.Equal(t, mapping.Rules{}.InsertID(e), l.ID)
			require.Equal(t, "default", l.Route)
			require.Positive(t, l.Attempts)
			require.NotZero(t, l.Status)
			require.False(t, l.First.IsZero())
			require.True(t, l.Last.After(l.First))
		}
		d.stop()
	})
}

func TestAFrameIsDoneOnlyWhenItsLettersAreStored(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		d.fake.Drop(func(e amplitudetest.Event) bool { return e.UserID == "lost-user" })
		d.letters.Fail(errDisk)
		require.Equal(t, 200, d.post("user-1", 0))
		require.Equal(t, 200, d.post("lost-user", 1))
		d.run()
		time.Sleep(time.Hour)
		require.Equal(t, 1, d.queue.Waiting())
		require.Equal(t, map[string]int{"delivered": 1}, d.fates())
		require.LessOrEqual(t, d.letters.Puts.Load(), int64(400), "a try every 10 seconds")
		require.Equal(t, 1, strings.Count(d.logged(), "cannot be stored"))
		d.stop()
		require.EqualValues(t, 1, d.queue.Retried.Load())

		d.letters.Fail(nil)
		d.restart()
		require.Equal(t, 200, d.post("user-1", 2), "so that a refusal can be an event's own fault")
		d.run()
		time.Sleep(3 * time.Minute)
		require.Equal(t, map[string]int{"invalid": 1}, d.letters.Reasons())
		require.Zero(t, d.queue.Waiting())
		d.stop()
	})
}

func TestAFrameThatCannotBeReadIsADeadLetterAndStopsNobody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		frames := [][]byte{{}, {1}, {99, 1, 2, 3}, []byte("\x01garbage"), append([]byte{1}, bytes.Repeat([]byte{255}, 40)...)}
		for _, f := range frames {
			require.NoError(t, d.queue.Put(t.Context(), "default", f))
		}
		require.Equal(t, 200, d.post("user-1", 1))
		d.run()
		time.Sleep(time.Second)
		require.Equal(t, 1, len(d.ids()))
		require.Equal(t, map[string]int{"frame": len(frames)}, d.letters.Reasons())
		for _, l := range d.letters.List() {
			require.True(t, slices.ContainsFunc(frames, func(f []byte) bool { return bytes.Equal(f, l.Webhook) }))
		}
		require.Zero(t, d.queue.Waiting())
		d.stop()
	})
}

func TestAPanickingRuleIsADeadLetter(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		require.Equal(t, 200, d.post("user-1", 1))
		require.Equal(t, 200, d.post("user-2", 2))
		d.restart(func(cfg *iteramp.RelayConfig) {
			cfg.Routes[0].Rules.Property = func(string, json.RawMessage) (string, json.RawMessage) { panic("boom") }
			next := cfg.OnOutcome
			cfg.OnOutcome = func(ctx context.Context, o iteramp.RelayOutcome) { next(ctx, o); panic("boom") }
		})
		d.run()
		time.Sleep(time.Second)
		require.Equal(t, map[string]int{"panic": 2}, d.letters.Reasons())
		require.Equal(t, map[string]int{"refused panic": 2}, d.fates())
		require.Zero(t, d.queue.Waiting())
		d.stop()
	})
}

// Rules may have changed between the two.
func TestTheRulesOfTheDeliveryCount(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		require.Equal(t, 200, d.post("user-1", 1))
		d.restart(func(cfg *iteramp.RelayConfig) {
			cfg.Routes[0].Rules.Keep = func(webhook.Event) bool { return false }
		})
		d.run()
		time.Sleep(time.Second)
		require.Equal(t, map[string]int{"skipped filtered": 1}, d.fates())
		require.Zero(t, d.queue.Waiting())
		d.stop()
	})
}

func TestAThrottledUserHoldsUpNobodyElse(t *testing.T) {
	if testing.Short() {
		t.Skip("a matter of volume")
	}
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		d.fake.Throttle("busy-user")
		d.run()
		for i := range 3000 { // 5 minutes
			user := fmt.Sprintf("user-%d", i%9)
			if i%10 == 0 {
				user = "busy-user"
			}
			require.Equal(t, 200, d.post(user, i))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		d.mu.Lock()
		for _, o := range d.outcomes {
			if o.Fate == iteramp.Delivered {
				require.LessOrEqual(t, o.Took, 2*time.Second)
			}
		}
		d.mu.Unlock()
		require.Equal(t, 2700, len(d.ids()))
		d.fake.Release("busy-user")
		time.Sleep(time.Minute)
		require.Equal(t, 3000-len(d.letters.List()), len(d.ids()))
		require.Zero(t, d.queue.Waiting())
		d.stop()
	})
}

// The frames of a throttled user's webhooks are let go of but for those.
func TestFramesOfWhichLittleIsLeftTakeLittleMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a matter of volume")
	}
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		d.fake.Throttle("busy-user")
		d.fake.HTTPV2.EventsPerSecond = -1
		padding := strings.Repeat("x", 60_000)
		big := func(user string, n int) []byte {
			return bytes.Replace(click(user, n), []byte(`"https://example.com"`), []byte(`"`+padding+`"`), 1)
		}
		d.queue.Slow = time.Millisecond
		const frames = 120
		for f := range frames { // 60 MB in all
			var wg sync.WaitGroup
			for i := range 9 {
				user := "user-1"
				body := big(user, f*10+i)
				if i == 0 {
					body = click("busy-user", f*10)
				}
				wg.Go(func() { require.Equal(t, 200, post(d.relay, token, body).Code) })
			}
			wg.Wait()
		}
		d.run()
		time.Sleep(2 * time.Minute)
		require.Equal(t, 8*frames, len(d.ids()), "32 MiB are not enough for all frames")
		d.fake.Release("busy-user")
		time.Sleep(2 * time.Minute)
		require.Equal(t, 9*frames, len(d.ids()))
		d.stop()
	})
}

// After a kill nobody knows what was sent of a frame. Past Amplitude's window it is
// not sent again blindly.
func TestAFrameHandedOutBeforeIsNotSentBlindlyAfterTheWindow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		require.Equal(t, 200, d.post("user-1", 1))
		_, err := d.queue.Take(t.Context(), "default") // and dies
		require.NoError(t, err)
		time.Sleep(24 * time.Hour)
		require.Equal(t, 200, d.post("user-1", 2)) // waits for its first time
		time.Sleep(6 * 24 * time.Hour)
		d.run()
		time.Sleep(time.Second)
		require.Equal(t, map[string]int{"dedup_window": 1}, d.letters.Reasons())
		require.Equal(t, 1, len(d.ids()))
		require.Equal(t, map[string]int{"delivered": 1, "refused dedup_window": 1}, d.fates())
		d.stop()
	})
}

func TestRoutesDoNotWaitForEachOther(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var down amplitudetest.Fake
		down.Intercept(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(503); return true })
		d := newDurable(t, func(cfg *iteramp.RelayConfig) {
			cfg.Routes[0].Name = "up"
			cfg.Routes = append(cfg.Routes, iteramp.Route{Name: "down", Amplitude: newAmplitude(t, &down), Secrets: []string{"another-secret-of-16"}})
		})
		d.run()
		for i := range 10 {
			require.Equal(t, 200, d.post("user-1", i))
			require.Equal(t, 200, post(d.relay, "test-key:another-secret-of-16", click("user-1", 100+i)).Code)
		}
		time.Sleep(time.Second)
		require.Equal(t, 10, len(d.ids()))
		require.Equal(t, 10, d.queue.Waiting())
		d.stop()
	})
}

func TestAQueueThatGivesNothingIsWaitedOut(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		require.Equal(t, 200, d.post("user-1", 1))
		d.queue.Fail(errDisk)
		d.run()
		time.Sleep(time.Minute)
		d.queue.Fail(nil)
		time.Sleep(10 * time.Second)
		require.Equal(t, 1, len(d.ids()))
		require.Equal(t, 1, strings.Count(d.logged(), "gives no frames"))
		require.Equal(t, 1, strings.Count(d.logged(), "gives frames again"))
		d.stop()
	})
}

func TestNobodyDeliversIsRemarkedUponOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		require.Equal(t, 200, d.post("user-1", 1))
		require.NotContains(t, d.logged(), "nobody delivers")
		time.Sleep(time.Minute)
		for i := range 3 {
			require.Equal(t, 200, d.post("user-1", i))
		}
		require.Equal(t, 1, strings.Count(d.logged(), "nobody delivers"))
		require.False(t, d.relay.Stats().Running)
	})
}

func TestIdentifyIsSettledWithItsEvent(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t, func(cfg *iteramp.RelayConfig) { cfg.Routes[0].Rules.Subscriptions = true })
		d.run()
		require.Equal(t, 200, post(d.relay, token, iterabletest.Payload(webhook.EmailUnSubscribe)).Code)
		time.Sleep(time.Second)
		require.Equal(t, 1, len(d.ids()), "property changes are no events of their own")
		require.NotEmpty(t, d.fake.UserProperties(d.fake.Events()[0].UserID))
		require.Equal(t, map[string]int{"delivered": 1}, d.fates())
		require.EqualValues(t, 1, d.queue.Done.Load())
		d.stop()
	})
}

// Promise A8 through the queue: per user, in the order they were accepted, whatever
// Amplitude answers.
func TestTheOrderOfAUserIsKeptUnderRandomAnswers(t *testing.T) {
	t.Parallel()
	for seed := range uint64(10) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				const users, each = 20, 20
				rng := rand.New(rand.NewPCG(seed, 5))
				d := newDurable(t)
				d.run()
				for n := range each {
					d.fake.FailNext([]int{200, 200, 429, 500, 503, 0}[rng.IntN(6)])
					throttled := fmt.Sprintf("user-%d", rng.IntN(users))
					d.fake.Throttle(throttled)
					time.AfterFunc(time.Duration(rng.IntN(60))*time.Second, func() { d.fake.Release(throttled) })
					for u := range users {
						require.Equal(t, 200, d.post(fmt.Sprintf("user-%d", u), n*users+u))
					}
					time.Sleep(time.Duration(rng.IntN(4000)) * time.Millisecond)
				}
				time.Sleep(10 * time.Minute)
				require.Equal(t, users*each, len(d.ids()))
				next := make(map[string]int)
				for _, e := range d.fake.Events() {
					var n int
					_, err := fmt.Sscanf(e.EventProperties["messageId"].(string), "m-%d", &n)
					require.NoError(t, err)
					require.Greater(t, n+1, next[e.UserID], "order of %s", e.UserID)
					next[e.UserID] = n + 1
				}
				d.stop()
			})
		})
	}
}

func TestConfigWantsADeadLetterBesideAQueue(t *testing.T) {
	t.Parallel()
	_, err := iteramp.NewRelay(iteramp.RelayConfig{Queue: &queuetest.Queue{}})
	require.ErrorContains(t, err, "Queue without a DeadLetter")
}
