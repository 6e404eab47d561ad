package iteramp_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/internal/queuetest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

func TestReplaySendsALetterOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		d.fake.ExhaustQuota("spent-user")
		d.run()
		require.Equal(t, 200, d.post("spent-user", 1))
		time.Sleep(time.Second)
		require.Equal(t, map[string]int{"quota": 1}, d.letters.Reasons())
		l := d.letters.List()[0]

		time.Sleep(time.Hour)
		err := d.relay.Replay(t.Context(), l)
		failed, ok := errors.AsType[*amplitude.BatchError](err)
		require.True(t, ok)
		require.Equal(t, amplitude.ReasonQuota, failed.Rejected[0].Reason)
		again := d.letters.List()[0]
		require.Equal(t, l.Attempts+1, again.Attempts)
		require.True(t, again.Last.After(l.Last))
		require.Equal(t, l.First, again.First)

		d.fake.Release("spent-user") // the quota is a day's
		require.NoError(t, d.relay.Replay(t.Context(), l))
		require.NoError(t, d.relay.Replay(t.Context(), l), "harmless")
		require.Empty(t, d.letters.List())
		require.Equal(t, 1, len(d.ids()))
		d.stop()
	})
}

func TestReplayGoesThroughTheRulesAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t, func(cfg *iteramp.RelayConfig) {
			cfg.Routes[0].Rules.Keep = func(e webhook.Event) bool { return e.UserID != "user-2" }
		})
		for i, user := range []string{"user-1", "user-2"} {
			body := click(user, i)
			e, err := webhook.Parse(body)
			require.NoError(t, err)
			require.NoError(t, d.letters.Put(t.Context(), iteramp.Letter{
				ID: mapping.Rules{}.InsertID(e), Route: "default", Reason: "invalid", First: time.Now(), Webhook: body,
			}))
		}
		for _, l := range d.letters.List() {
			require.NoError(t, d.relay.Replay(t.Context(), l))
		}
		require.Empty(t, d.letters.List())
		require.Equal(t, 1, len(d.ids()))
	})
}

// A frame that an earlier version could not read is one that this one may.
func TestReplayTakesFramesApart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		require.Equal(t, 200, d.post("user-1", 1))
		delivery, err := d.queue.Take(t.Context(), "default")
		require.NoError(t, err)
		good := iteramp.Letter{ID: "frame-1", Route: "default", Reason: iteramp.ReasonFrame, Webhook: delivery.Frame()}
		bad := iteramp.Letter{ID: "frame-2", Route: "default", Reason: iteramp.ReasonFrame, Webhook: []byte{99}}
		require.NoError(t, d.letters.Put(t.Context(), good))
		require.NoError(t, d.letters.Put(t.Context(), bad))
		require.NoError(t, d.relay.Replay(t.Context(), good))
		require.Error(t, d.relay.Replay(t.Context(), bad))
		require.Equal(t, 1, len(d.ids()))
		require.Equal(t, 1, len(d.letters.List()))

		d.fake.FailNext(503, 503, 503)
		require.NoError(t, d.letters.Put(t.Context(), good))
		require.Error(t, d.relay.Replay(t.Context(), good))
		require.Equal(t, map[string]int{"frame": 2}, d.letters.Reasons(), "a frame stays one")
	})
}

func TestReplaySaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	require.ErrorContains(t, newRelay(t, &fake).Replay(t.Context(), iteramp.Letter{}), "DeadLetter")
	relay := newRelay(t, &fake, func(cfg *iteramp.RelayConfig) { cfg.DeadLetter = new(queuetest.Letters) })
	require.ErrorContains(t, relay.Replay(t.Context(), iteramp.Letter{Route: "other"}), "no route")
	require.ErrorIs(t, relay.Replay(t.Context(), iteramp.Letter{Route: "default", Webhook: []byte("{")}), webhook.ErrSyntax)
}

// Without a queue too what Amplitude refuses for good is kept, and answered 200 only
// then.
func TestADirectRelayKeepsLetters(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		var letters queuetest.Letters
		fake.Drop(func(e amplitudetest.Event) bool { return e.UserID == "lost-user" })
		relay := newRelay(t, &fake, func(cfg *iteramp.RelayConfig) { cfg.DeadLetter = &letters })
		require.Equal(t, 200, post(relay, token, click("user-1", 0)).Code)
		letters.Fail(errDisk)
		require.Equal(t, 503, post(relay, token, click("lost-user", 1)).Code)
		letters.Fail(nil)
		require.Equal(t, 200, post(relay, token, click("user-1", 2)).Code)
		require.Equal(t, 200, post(relay, token, click("lost-user", 1)).Code)
		require.Equal(t, map[string]int{"invalid": 1}, letters.Reasons())
		require.Equal(t, click("lost-user", 1), letters.List()[0].Webhook)
	})
}

func TestPurgeFindsAUserByIdAndAddress(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDurable(t)
		require.Equal(t, 200, d.post("user-1", 1))
		delivery, err := d.queue.Take(t.Context(), "default")
		require.NoError(t, err)
		put := func(id, reason string, body []byte) {
			require.NoError(t, d.letters.Put(t.Context(), iteramp.Letter{ID: id, Route: "default", Reason: reason, Webhook: body}))
		}
		put("a", "quota", click("user-1", 2))
		put("b", "quota", click("user-2", 3))
		put("c", iteramp.ReasonFrame, delivery.Frame())
		put("d", iteramp.ReasonFrame, []byte{99})
		put("e", iteramp.ReasonUnreadable, []byte("{"))
		purged, unread, err := iteramp.PurgeLetters(t.Context(), &d.letters, "user-1")
		require.NoError(t, err)
		require.Equal(t, []int{2, 2}, []int{purged, unread})
		purged, _, err = iteramp.PurgeLetters(t.Context(), &d.letters, "USER-2@example.com")
		require.NoError(t, err)
		require.Equal(t, 1, purged)
		require.Equal(t, 2, len(d.letters.List()), "those that cannot be read")
		for _, l := range d.letters.List() {
			require.False(t, bytes.Contains(l.Webhook, []byte("user-1")))
		}
	})
}
