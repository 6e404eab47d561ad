package iterable

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAListIsWrittenToByOneRequestAtATime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		busy, most := make(map[int64]int), make(map[int64]int)
		all, mostAll := 0, 0
		client, r := newTestClient(t, func(s sent) *http.Response {
			var body struct {
				ListID int64 `json:"listId"`
			}
			require.NoError(t, json.Unmarshal([]byte(s.body), &body))
			mu.Lock()
			busy[body.ListID]++
			all++
			most[body.ListID], mostAll = max(most[body.ListID], busy[body.ListID]), max(mostAll, all)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			busy[body.ListID]--
			all--
			mu.Unlock()
			return takes(s)
		})
		start := time.Now()
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				var err error
				if list := int64(1 + i%3); i%2 == 0 {
					_, err = client.Lists.Subscribe(t.Context(), ListSubscribeRequest{ListID: list, Subscribers: subscribers(1500)})
				} else {
					_, err = client.Lists.Unsubscribe(t.Context(), ListUnsubscribeRequest{ListID: list, Subscribers: []Unsubscriber{{UserID: "u-1"}}})
				}
				require.NoError(t, err)
			})
		}
		wg.Wait()
		require.Len(t, r.all(), 18)
		require.Equal(t, map[int64]int{1: 1, 2: 1, 3: 1}, most)
		require.Equal(t, 3, mostAll, "lists do not wait for each other")
		require.Equal(t, 6*time.Second, time.Since(start))
		require.Zero(t, client.core.lists.Len())
	})
}

func TestWaitingForAListEndsWithTheContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client, r := newTestClient(t, func(s sent) *http.Response {
			time.Sleep(time.Minute)
			return takes(s)
		})
		req := ListSubscribeRequest{ListID: 42, Subscribers: subscribers(1)}
		go client.Lists.Subscribe(t.Context(), req)
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := client.Lists.Subscribe(ctx, req)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(2 * time.Minute)
		require.Len(t, r.all(), 1)
	})
}

// cutBody is a body whose connection breaks after its text.
type cutBody struct {
	io.Reader
	closed *bool
}

func (b cutBody) Close() error { *b.closed = true; return nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestMembersEndInAnErrorUnlessTheListIsWhole(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 70_000)
	for _, tt := range []struct {
		name, body string
		cut        bool
		noLength   bool
		want       []string
		problem    string
	}{
		{name: "whole", body: "a\nb\n", want: []string{"a", "b"}},
		{name: "without a last newline", body: "a\nb", want: []string{"a", "b"}},
		{name: "empty", body: ""},
		{name: "blank lines", body: "\r\n\na\r\n", want: []string{"a"}},
		{name: "odd ids", body: "<x>\n a b\n\"q\"", want: []string{"<x>", " a b", `"q"`}},
		{name: "cut between lines", body: "a\n", cut: true, want: []string{"a"}, problem: "unexpected EOF"},
		{name: "cut within a line", body: "a\nb", cut: true, want: []string{"a"}, problem: "unexpected EOF"},
		{name: "cut at once", body: "", cut: true, problem: "unexpected EOF"},
		{name: "a line without end", body: "a\n" + long, want: []string{"a"}, problem: "64 KiB"},
		{name: "a page as text", body: "\n<HTML><body>", problem: "web page"},
		{name: "a packed list", body: "\x1f\x8b\x08\n", problem: "not UTF-8"},
		{name: "a body that does not say where it ends", body: "a\n", noLength: true, problem: "neither its length nor where it ends"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var closed bool
			client, r := newTestClient(t, func(sent) *http.Response {
				resp := answer(200, "", "Content-Type", "text/plain; charset=utf-8")
				resp.Body = cutBody{strings.NewReader(tt.body), &closed}
				if tt.cut {
					resp.Body = cutBody{io.MultiReader(strings.NewReader(tt.body), broken{}), &closed}
				}
				resp.ContentLength = int64(len(tt.body))
				if tt.noLength {
					resp.ContentLength = -1
				}
				return resp
			})
			seq := client.Lists.Members(t.Context(), 42, ListMembersOptions{})
			require.Empty(t, r.all(), "no request before the loop")
			for range 2 { // it may be ranged over twice
				var got []string
				var errs []error
				for id, err := range seq {
					if err != nil {
						errs = append(errs, err)
						continue
					}
					require.Empty(t, errs, "the error is the last")
					got = append(got, id)
				}
				require.Equal(t, tt.want, got)
				require.True(t, closed)
				if tt.problem == "" {
					require.Empty(t, errs)
					continue
				}
				require.Len(t, errs, 1)
				require.ErrorContains(t, errs[0], tt.problem)
			}
		})
	}
}

func TestALoopOverMembersMayBeLeft(t *testing.T) {
	t.Parallel()
	var closed bool
	client, r := newTestClient(t, func(sent) *http.Response {
		resp := answer(200, "")
		resp.Body, resp.ContentLength = cutBody{strings.NewReader("a\nb\nc\n"), &closed}, 6
		return resp
	})
	for id, err := range client.Lists.Preview(t.Context(), 42, ListPreviewOptions{}) {
		require.NoError(t, err)
		require.Equal(t, "a", id)
		break
	}
	require.True(t, closed)
	require.Len(t, r.all(), 1)
}

func TestALongListOutlivesTheTimeoutOfItsClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		client, _ := newTestClient(t, func(sent) *http.Response {
			resp := answer(200, "")
			resp.Body, resp.ContentLength = io.NopCloser(&slowLines{ctx: ctx}), 1<<40
			return resp
		}, func(cfg *Config) { cfg.HTTPClient.Timeout = time.Minute })
		n := 0
		var last error
		for _, err := range client.Lists.Members(ctx, 42, ListMembersOptions{}) {
			if last = err; err != nil {
				break
			}
			if n++; n == 10 {
				cancel()
			}
		}
		require.ErrorIs(t, last, context.Canceled)
		require.GreaterOrEqual(t, n, 10)
	})
}

// slowLines are lines, one in a minute, until the context ends.
type slowLines struct{ ctx context.Context }

func (s *slowLines) Read(p []byte) (int, error) {
	select {
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	case <-time.After(time.Minute):
		return copy(p, "u-1\n"), nil
	}
}

func TestASizeIsANumber(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]int{"0": 0, " 7\r\n": 7, "1234567": 1234567} {
		client, _ := newTestClient(t, alike(200, body))
		got, err := client.Lists.Size(t.Context(), 42)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, body := range []string{"", "null", "-1", "1.5", "many", "{}", "1 2", "99999999999999999999"} {
		client, _ := newTestClient(t, alike(200, body))
		_, err := client.Lists.Size(t.Context(), 42)
		_, ok := errors.AsType[*Error](err)
		require.True(t, ok, "%q", body)
	}
}
