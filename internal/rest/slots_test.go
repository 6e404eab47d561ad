package rest

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestNoMoreAttemptsThanSlotsAreUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		busy, most := 0, 0
		c := newTestClient(roundTripper(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			busy++
			most = max(most, busy)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			busy--
			mu.Unlock()
			return reply(200, "{}"), nil
		}))
		call := download
		call.Slots = []Slots{NewSlots(2), NewSlots(3)}
		start := time.Now()
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() { require.NoError(t, c.Do(t.Context(), call, nil)) })
		}
		wg.Wait()
		require.Equal(t, 2, most)
		require.Equal(t, 3*time.Second, time.Since(start))
		require.Empty(t, call.Slots[0])
		require.Empty(t, call.Slots[1])
	})
}

func TestNoSlotIsHeldWhileARepetitionIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		c := newTestClient(roundTripper(func(*http.Request) (*http.Response, error) {
			if n++; n == 1 {
				return reply(429, "", "Retry-After", "60"), nil
			}
			return reply(200, "{}"), nil
		}))
		call := download
		call.Slots = []Slots{NewSlots(1)}
		go c.Do(t.Context(), call, nil)
		synctest.Wait()
		start := time.Now()
		require.NoError(t, c.Do(t.Context(), call, nil))
		require.Zero(t, time.Since(start))
	})
}

func TestAStreamHoldsItsSlotUntilItsEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*Stream){
		"read":   func(s *Stream) { io.Copy(io.Discard, s) },
		"closed": func(s *Stream) { s.Close() },
		"both":   func(s *Stream) { io.Copy(io.Discard, s); s.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			c := newTestClient(roundTripper(func(*http.Request) (*http.Response, error) { return lengthy(200, "whole"), nil }))
			call := download
			call.Slots = []Slots{NewSlots(1)}
			s, err := c.Stream(t.Context(), call)
			require.NoError(t, err)
			require.Len(t, call.Slots[0], 1)
			end(s)
			require.Empty(t, call.Slots[0])
		})
	}
}

func TestWaitingForASlotEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newTestClient(nil)
		call := download
		call.Slots = []Slots{NewSlots(1), NewSlots(1)}
		call.Slots[1] <- struct{}{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, c.Do(ctx, call, nil), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(start))
		require.Empty(t, call.Slots[0], "what was taken is given back")
	})
}

func TestABodyIsSentAsItIsWhereAskedTo(t *testing.T) {
	t.Parallel()
	var got *http.Request
	c := newTestClient(roundTripper(func(r *http.Request) (*http.Response, error) {
		got = r
		return reply(200, "{}"), nil
	}))
	c.GzipFrom = 1
	for _, plain := range []bool{false, true} {
		require.NoError(t, c.Do(t.Context(), Call{Method: "POST", Base: "https://api.example.com", Path: "/p", Body: []byte("body"), Plain: plain}, nil))
		require.Equal(t, plain, got.Header.Get("Content-Encoding") == "")
	}
}
