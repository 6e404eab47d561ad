package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

// vendors are both of them in memory, with a client of each.
type vendors struct {
	amplitudeFake amplitudetest.Fake
	iterableFake  iterabletest.Fake
	clients
}

// clients are one of each vendor, and what their calls need to exist.
type clients struct {
	amplitude *amplitude.Client
	iterable  *iterable.Client
	cohort    string
	request   string // whose file is there
	list      int64
}

func newVendors(t *testing.T) *vendors {
	v := &vendors{}
	v.iterableFake.ProjectType = iterable.ProjectTypeUserID
	v.cohort = v.amplitudeFake.AddCohort(amplitudetest.Cohort{Name: "all", Members: []amplitudetest.Member{{UserID: user(1)}, {UserID: user(2)}}})
	v.list = v.iterableFake.AddList("all", user(1), user(2))
	v.iterableFake.AddUser(user(3), nil)

	a := v.amplitudeFake.Config()
	a.Logger = logs
	var err error
	v.amplitude, err = amplitude.NewClient(a)
	require.NoError(t, err)
	i := v.iterableFake.Config()
	i.Logger, i.ProjectType = logs, v.iterableFake.ProjectType
	v.iterable, err = iterable.NewClient(i)
	require.NoError(t, err)
	request, err := v.amplitude.Cohorts.Request(t.Context(), v.cohort, amplitude.CohortRequestOptions{})
	require.NoError(t, err)
	v.request = request.RequestID
	return v
}

func (v *vendors) intercept(h func(http.ResponseWriter, *http.Request) bool) {
	v.amplitudeFake.Intercept(h)
	v.iterableFake.Intercept(h)
}

// lose has the next answers of both be lost.
func (v *vendors) lose(status ...int) {
	v.amplitudeFake.LoseNext(status...)
	v.iterableFake.LoseNext(status...)
}

// requests is how many have come.
func (v *vendors) requests() int {
	return len(v.amplitudeFake.Requests()) + len(v.iterableFake.Requests())
}

// call is a kind of call of a client.
type call struct {
	name      string
	amplitude bool // whose client
	once      bool // may not be repeated after it may have taken effect
	stream    bool // reads its answer as it comes
	do        func(context.Context, *clients) error
	// executed counts what calls have made there.
	executed func(*vendors) int
}

var calls = []call{
	{name: "upload", amplitude: true, do: func(ctx context.Context, c *clients) error {
		return c.amplitude.Events.Upload(ctx, amplitude.EventUploadRequest{Events: someEvents()})
	}, executed: func(v *vendors) int { return len(v.amplitudeFake.Events()) / len(someEvents()) }},
	{name: "upload batch", amplitude: true, do: func(ctx context.Context, c *clients) error {
		return c.amplitude.Events.UploadBatch(ctx, amplitude.EventUploadRequest{Events: someEvents()})
	}, executed: func(v *vendors) int { return len(v.amplitudeFake.Events()) / len(someEvents()) }},
	{name: "list cohorts", amplitude: true, do: func(ctx context.Context, c *clients) error {
		_, err := c.amplitude.Cohorts.List(ctx, amplitude.CohortListOptions{})
		return err
	}},
	{name: "request cohort", amplitude: true, once: true, do: func(ctx context.Context, c *clients) error {
		_, err := c.amplitude.Cohorts.Request(ctx, c.cohort, amplitude.CohortRequestOptions{})
		return err
	}},
	{name: "download cohort", amplitude: true, stream: true, do: func(ctx context.Context, c *clients) error {
		return drain(c.amplitude.Cohorts.Download(ctx, c.request))
	}},
	{name: "list lists", do: func(ctx context.Context, c *clients) error {
		_, err := c.iterable.Lists.List(ctx)
		return err
	}},
	{name: "get user", do: func(ctx context.Context, c *clients) error {
		_, err := c.iterable.Users.GetByPath(ctx, user(3))
		return err
	}},
	{name: "list members", stream: true, do: func(ctx context.Context, c *clients) error {
		return drain(c.iterable.Lists.Members(ctx, c.list, iterable.ListMembersOptions{}))
	}},
	{name: "update user", do: func(ctx context.Context, c *clients) error {
		return c.iterable.Users.Update(ctx, iterable.UserUpdateRequest{UserID: user(3), DataFields: map[string]any{"plan": "free"}})
	}},
	{name: "subscribe", do: func(ctx context.Context, c *clients) error {
		_, err := c.iterable.Lists.Subscribe(ctx, iterable.ListSubscribeRequest{ListID: c.list, Subscribers: []iterable.Subscriber{{UserID: user(3)}}})
		return err
	}, executed: func(v *vendors) int { return len(v.iterableFake.Members(v.list)) - 2 }},
	{name: "track with id", do: func(ctx context.Context, c *clients) error {
		_, err := c.iterable.Events.Track(ctx, iterable.Event{Name: "ordered", UserID: user(3), ID: "order-1"})
		return err
	}, executed: tracked},
	{name: "track", once: true, do: func(ctx context.Context, c *clients) error {
		_, err := c.iterable.Events.Track(ctx, iterable.Event{Name: "ordered", UserID: user(3)})
		return err
	}, executed: tracked},
	{name: "track bulk", once: true, do: func(ctx context.Context, c *clients) error {
		_, err := c.iterable.Events.TrackBulk(ctx, iterable.EventTrackBulkRequest{Events: []iterable.Event{{Name: "ordered", UserID: user(3)}}})
		return err
	}, executed: tracked},
	{name: "create list", once: true, do: func(ctx context.Context, c *clients) error {
		_, err := c.iterable.Lists.Create(ctx, iterable.ListCreateRequest{Name: "more"})
		return err
	}, executed: func(v *vendors) int { return len(v.iterableFake.Lists()) - 1 }},
	{name: "post anything", once: true, do: func(ctx context.Context, c *clients) error {
		return c.iterable.Do(ctx, iterable.Request{Method: http.MethodPost, Path: "/api/lists", Body: map[string]string{"name": "more"}}, nil)
	}, executed: func(v *vendors) int { return len(v.iterableFake.Lists()) - 1 }},
}

// someEvents have ids of their own, the same each time.
func someEvents() []amplitude.Event {
	events := make([]amplitude.Event, 3)
	for i := range events {
		events[i] = amplitude.Event{UserID: user(i), EventType: "ordered", InsertID: fmt.Sprint("id-", i)}
	}
	return events
}

func tracked(v *vendors) (n int) {
	for _, e := range v.iterableFake.Events(user(3)) {
		if e.Name == "ordered" {
			n++
		}
	}
	return n
}

func drain[T any](rows iter.Seq2[T, error]) error {
	for _, err := range rows {
		if err != nil {
			return err
		}
	}
	return nil
}

// statusOf is that of the answer which an error of a client is about, zero if it is
// about none.
func statusOf(err error) int {
	if e, ok := errors.AsType[*amplitude.Error](err); ok {
		return e.StatusCode
	}
	if e, ok := errors.AsType[*iterable.Error](err); ok {
		return e.StatusCode
	}
	return 0
}

func ambiguous(err error) bool {
	return errors.Is(err, amplitude.ErrAmbiguous) || errors.Is(err, iterable.ErrAmbiguous)
}

func rateLimited(err error) bool {
	return errors.Is(err, amplitude.ErrRateLimited) || errors.Is(err, iterable.ErrRateLimited)
}

// namesNobody requires that an error is short and holds no keys, addresses or ids.
func namesNobody(t *testing.T, err error) {
	t.Helper()
	for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err)} {
		require.LessOrEqual(t, len(text), 4<<10)
		for _, c := range canaries {
			require.NotContains(t, text, c)
		}
	}
}

// What a client asked for is done, and the answer is lost. What may not be done
// twice is not asked for again.
func TestF07Clients(t *testing.T) {
	eachInBubble(t, "F07 c", "answers of clients that are lost", counts{500, 10_000, 100_000}, func(t *testing.T, rng *rand.Rand) {
		v := newVendors(t)
		c := pick(rng, calls...)
		lost := 1 + rng.IntN(4)
		for range lost {
			v.lose(pick(rng, 0, 0, 500, 502, 504, 408))
		}
		before := v.requests()
		err := c.do(t.Context(), &v.clients)
		asked := v.requests() - before
		switch {
		case c.once:
			require.Equal(t, 1, asked, c.name)
			require.True(t, ambiguous(err), "%s: %v", c.name, err)
		case lost < 3:
			require.NoError(t, err, c.name)
			require.Equal(t, lost+1, asked, c.name)
		default:
			require.Equal(t, 3, asked, c.name)
			require.True(t, ambiguous(err), "%s: %v", c.name, err)
		}
		if err != nil {
			namesNobody(t, err)
		}
		if c.executed != nil {
			require.Equal(t, 1, c.executed(v), c.name)
		}
		if c.executed != nil && c.amplitude {
			require.Equal(t, (asked-1)*len(someEvents()), v.amplitudeFake.Duplicates())
		}
	})
}

// Everything is answered 429, to one call or to many at once.
func TestF09Clients(t *testing.T) {
	eachInBubble(t, "F09 c", "429 to the clients", counts{200, 2_000, 10_000}, func(t *testing.T, rng *rand.Rand) {
		v := newVendors(t)
		retryAfter, wait := anyRetryAfter(rng)
		body := pick(rng, "", "<html>slow down</html>", `{"code":429}`, `{"code":"RateLimitExceeded","msg":"slow down"}`, "null", "[]")
		v.intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			if retryAfter != nil {
				w.Header()["Retry-After"] = retryAfter()
			}
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, body)
			return true
		})
		c := pick(rng, calls...)
		if rng.IntN(4) == 0 {
			v.storm(t, rng, c)
			return
		}
		length := pick(rng, time.Duration(rng.Int64N(int64(40*time.Second))), time.Duration(rng.Int64N(int64(20*time.Minute))))
		before, begun := v.requests(), time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), length)
		sudden := rng.IntN(3) == 0
		if sudden { // an end that nobody knows of before
			ctx, cancel = context.WithCancel(t.Context())
			time.AfterFunc(length, cancel)
		}
		err := c.do(ctx, &v.clients)
		cancel()
		took, asked := time.Since(begun), v.requests()-before
		require.Error(t, err)
		require.True(t, rateLimited(err) || ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded), "%v", err)
		namesNobody(t, err)
		require.LessOrEqual(t, took, length+50*time.Millisecond, c.name)
		require.LessOrEqual(t, asked, 3, c.name)
		if wait > 5*time.Minute || !sudden && wait > length {
			require.Equal(t, 1, asked, "%s: a wait of %s and %s to go", c.name, wait, length)
			require.Less(t, took, time.Second, c.name)
			require.True(t, rateLimited(err), "%v", err)
		}
	})
}

// storm is many calls at once: together they may be repeated ten times.
func (v *vendors) storm(t *testing.T, rng *rand.Rand, c call) {
	before, count := v.requests(), 5+rng.IntN(60)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	var refused atomic.Int64
	var wg sync.WaitGroup
	for range count {
		wg.Go(func() {
			if c.do(ctx, &v.clients) != nil {
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, count, refused.Load(), c.name)
	require.LessOrEqual(t, v.requests()-before, count+10, c.name)
}

// anyRetryAfter is a header, and the wait it asks for where that is certain.
func anyRetryAfter(rng *rand.Rand) (header func() []string, wait time.Duration) {
	text := func(values ...string) func() []string { return func() []string { return values } }
	date := func(days int) func() []string {
		return func() []string { return []string{time.Now().AddDate(0, 0, days).UTC().Format(http.TimeFormat)} }
	}
	switch rng.IntN(12) {
	case 0:
		return nil, 0
	case 1:
		return text("0"), 0
	case 2:
		return text("1"), time.Second
	case 3:
		return text("30"), 30 * time.Second
	case 4:
		return text("86400"), 24 * time.Hour
	case 5:
		return text("99999999"), 99_999_999 * time.Second
	case 6:
		return text("9223372036854775807"), 24 * time.Hour
	case 7:
		return text("1", "100"), time.Second
	case 8:
		return date(-1), 0
	case 9:
		return date(3650), 24 * time.Hour
	case 10:
		return text(strings.Repeat("9", 400)), 0
	}
	return text(pick(rng, "-1", "1e9", "soon", "\x00", " ")), 0
}
