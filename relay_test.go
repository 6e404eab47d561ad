package iteramp_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

const (
	secret = "iterable-canary-secret"
	token  = "test-key:" + secret
)

func newAmplitude(t testing.TB, fake *amplitudetest.Fake) *amplitude.Client {
	client, err := amplitude.NewClient(fake.Config())
	require.NoError(t, err)
	return client
}

func newRelay(t testing.TB, fake *amplitudetest.Fake, change ...func(*iteramp.RelayConfig)) *iteramp.Relay {
	cfg := iteramp.RelayConfig{Routes: []iteramp.Route{{Amplitude: newAmplitude(t, fake), Secrets: []string{secret}}}}
	for _, c := range change {
		c(&cfg)
	}
	relay, err := iteramp.NewRelay(cfg)
	require.NoError(t, err)
	return relay
}

func post(h http.Handler, token string, body []byte) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, iterabletest.WebhookRequest(token, body))
	return rec
}

// click makes an email click of a user, each n another event.
func click(user string, n int) []byte {
	return fmt.Appendf(nil, `{"email":"%s@example.com","userId":%q,"eventName":"emailClick","dataFields":{"campaignId":1,"messageId":"m-%d","createdAt":"2026-05-04 09:15:40 +00:00","url":"https://example.com"}}`, user, user, n)
}

func TestEveryPayloadIsAnsweredAndDelivered(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	relay := newRelay(t, &fake)
	want := map[int]int64{}
	for name, body := range iterabletest.Payloads() {
		e, err := webhook.Parse(body)
		status := http.StatusOK
		if err != nil {
			status = http.StatusBadRequest
		}
		want[status]++
		require.Equal(t, status, post(relay, token, body).Code, name)
		if err != nil {
			continue
		}
		if _, err := (mapping.Rules{}).Event(e, time.Now()); err != nil {
			continue
		}
		stored := fake.Events()[len(fake.Events())-1]
		require.Equal(t, mapping.EventType(e.Name), stored.EventType, name)
		require.Equal(t, e.UserID, stored.UserID, name)
		require.Empty(t, stored.DeviceID)
	}
	stats := relay.Stats()
	require.Equal(t, want, stats.Answers)
	require.Equal(t, map[mapping.Skip]int64{mapping.ErrNoUserID: 7, mapping.ErrRefusedUserID: 1}, stats.Skipped)
	require.Equal(t, want[200]-8, stats.Delivered)
	require.Zero(t, stats.Failed)
	require.Empty(t, stats.Refused)
}

func TestTheTokenInEveryForm(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	relay := newRelay(t, &fake)
	b64 := base64.StdEncoding.EncodeToString([]byte(token))
	for header, status := range map[string]int{
		token: 200, "Basic " + token: 200, "Basic " + b64: 200, "basic " + b64: 200, "OAuth2 " + token: 200, "Bearer " + token: 200,
		"": 401, secret: 401, "test-key:": 401, token + "x": 401, "Basic": 401, "other-key:" + secret: 401, b64: 401,
	} {
		require.Equal(t, status, post(relay, header, click("user-1", 1)).Code, "%q", header)
	}
}

func TestWhatIsNoWebhookIsRefused(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	relay := newRelay(t, &fake, func(cfg *iteramp.RelayConfig) { cfg.MaxBody = 1000 })
	for _, tt := range []struct {
		name   string
		change func(r *http.Request)
		body   string
		status int
	}{
		{"GET", func(r *http.Request) { r.Method = "GET" }, "{}", 405},
		{"a form", func(r *http.Request) { r.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, "{}", 415},
		{"compressed", func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") }, "{}", 415},
		{"too large as announced", nil, strings.Repeat(" ", 1001), 413},
		{"too large unannounced", func(r *http.Request) { r.ContentLength = -1 }, strings.Repeat(" ", 1001), 413},
		{"wrong secret before a bad body", func(r *http.Request) { r.Header.Set("Authorization", "x") }, "not JSON", 401},
		{"not JSON", nil, "not JSON", 400},
		{"no UTF-8", nil, "{\"eventName\":\"emailOpen\",\"x\":\"\xff\"}", 400},
		{"no name", nil, "{}", 400},
		{"dataFields of another type", nil, `{"eventName":"emailOpen","dataFields":"x"}`, 400},
	} {
		req := iterabletest.WebhookRequest(token, []byte(tt.body))
		if tt.change != nil {
			tt.change(req)
		}
		rec := httptest.NewRecorder()
		relay.ServeHTTP(rec, req)
		require.Equal(t, tt.status, rec.Code, tt.name)
		require.Less(t, rec.Body.Len(), 100, tt.name)
		require.NotContains(t, rec.Body.String(), "canary")
	}
	require.Empty(t, fake.Requests())
}

func TestNumbersTravelExactly(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	relay := newRelay(t, &fake)
	body := `{"userId":"user-1","eventName":"emailOpen","dataFields":{"custom":12345678901234567890,"half":"\ud800","a":1,"A":2}}`
	require.Equal(t, 200, post(relay, token, []byte(body)).Code)
	require.Contains(t, string(fake.Events()[0].JSON), `"custom":12345678901234567890,"half":"\ud800","a":1,"A":2`)
}

func TestARepeatIsOneEvent(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	relay := newRelay(t, &fake)
	for range 3 {
		require.Equal(t, 200, post(relay, token, click("user-1", 1)).Code)
	}
	require.Len(t, fake.Events(), 1)
}

func TestRoutesAndRotation(t *testing.T) {
	t.Parallel()
	shop, app := amplitudetest.Fake{APIKey: "shop-key"}, amplitudetest.Fake{APIKey: "app-key"}
	var got []iteramp.RelayOutcome
	relay, err := iteramp.NewRelay(iteramp.RelayConfig{
		Routes: []iteramp.Route{
			{Name: "shop", Amplitude: newAmplitude(t, &shop), Secrets: []string{"new-shop-secret-1", "old-shop-secret-1"}},
			{Name: "shop-eu", Amplitude: newAmplitude(t, &shop), Secrets: []string{"another-project-1"}, Rules: mapping.Rules{Namespace: "eu"}},
			{Name: "app", Amplitude: newAmplitude(t, &app), Secrets: []string{"new-shop-secret-1"}},
		},
		OnOutcome: func(_ context.Context, o iteramp.RelayOutcome) { got = append(got, o) },
	})
	require.NoError(t, err)
	for i, token := range []string{"shop-key:new-shop-secret-1", "shop-key:old-shop-secret-1", "shop-key:another-project-1", "app-key:new-shop-secret-1"} {
		require.Equal(t, 200, post(relay, token, click("user-1", i)).Code)
	}
	require.Equal(t, 401, post(relay, "app-key:old-shop-secret-1", click("user-1", 9)).Code)
	require.Len(t, shop.Events(), 3)
	require.Len(t, app.Events(), 1)
	var routes []string
	for _, o := range got {
		routes = append(routes, fmt.Sprint(o.Route, o.Secret))
		require.Equal(t, iteramp.Delivered, o.Fate)
		require.Equal(t, webhook.EmailClick, o.Name)
		require.NotEmpty(t, o.InsertID)
	}
	require.Equal(t, []string{"shop0", "shop1", "shop-eu0", "app0"}, routes)
}

func TestEachWebhookIsAnsweredByItsOwnFate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Throttle("busy-user")
		fake.ExhaustQuota("spent-user")
		fake.Drop(func(e amplitudetest.Event) bool { return e.UserID == "lost-user" })
		var mu sync.Mutex
		var log bytes.Buffer
		fates := make(map[string]string)
		relay := newRelay(t, &fake, func(cfg *iteramp.RelayConfig) {
			cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
			cfg.OnOutcome = func(_ context.Context, o iteramp.RelayOutcome) {
				mu.Lock()
				defer mu.Unlock()
				fates[fmt.Sprint(o.Fate, " ", o.Reason)] += "."
			}
		})
		require.Equal(t, 200, post(relay, token, click("user-1", 0)).Code, "so that a refusal can be an event's own fault")
		want := map[string]int{"user-1": 200, "busy-user": 503, "spent-user": 503, "lost-user": 200, "user-2": 200, "": 200, "null": 200}
		var wg sync.WaitGroup
		for user, status := range want {
			wg.Go(func() {
				rec := post(relay, token, click(user, 1))
				require.Equal(t, status, rec.Code, user)
				if status == 503 {
					require.NotEmpty(t, rec.Header().Get("Retry-After"))
				}
			})
		}
		wg.Wait()
		require.Equal(t, map[string]string{
			"delivered ": "...", "failed throttled": ".", "failed quota": ".", "refused invalid": ".", "skipped no_user_id": ".", "skipped refused_user_id": ".",
		}, fates)
		require.NoError(t, relay.Ready(), "one user's throttling is not the route's")
		require.Equal(t, 1, strings.Count(log.String(), "an event is refused for good"))
		require.NotContains(t, log.String(), "lost-user")
		s := relay.Stats()
		require.EqualValues(t, 3, s.Delivered)
		require.EqualValues(t, 2, s.Failed)
		require.Equal(t, map[string]int64{"invalid": 1}, s.Refused)
	})
}

func TestConcurrentRequestsShareUploads(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			select {
			case <-time.After(50 * time.Millisecond):
			case <-r.Context().Done():
			}
			return false
		})
		relay := newRelay(t, &fake)
		var wg sync.WaitGroup
		start := time.Now()
		for i := range 300 {
			wg.Go(func() { require.Equal(t, 200, post(relay, token, click("user-1", i)).Code) })
		}
		wg.Wait()
		require.Len(t, fake.Requests(), 3, "the first, enough for a second, and all that came meanwhile")
		require.Equal(t, 60*time.Millisecond, time.Since(start))
		require.Len(t, fake.Events(), 300)
	})
}

func TestASlowUploadHoldsUpNobodyForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		var once sync.Once
		fake.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			slow := false
			once.Do(func() { slow = true })
			if slow {
				select {
				case <-time.After(3 * time.Second):
				case <-r.Context().Done():
				}
			}
			return false
		})
		relay := newRelay(t, &fake)
		var wg sync.WaitGroup
		wg.Go(func() { require.Equal(t, 200, post(relay, token, click("user-0", 0)).Code) })
		synctest.Wait()
		start := time.Now()
		for i := range 10 {
			wg.Go(func() { require.Equal(t, 200, post(relay, token, click("user-1", i)).Code) })
		}
		for range 10 {
			synctest.Wait()
		}
		time.Sleep(20 * time.Millisecond)
		require.Len(t, fake.Events(), 10)
		wg.Wait()
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestAmplitudeDownIs503AndPolite(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"503": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		"403": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) },
		"bad key": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(400)
			w.Write([]byte(`{"code":400,"error":"Invalid API key: test-key"}`))
		},
		"a login page": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<html>")) },
		"broken":       func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var fake amplitudetest.Fake
				var log bytes.Buffer
				relay := newRelay(t, &fake, func(cfg *iteramp.RelayConfig) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
				fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool { answer(w, r); return true })
				failed := 0
				for i := range 600 { // ten a second for a minute
					start := time.Now()
					rec := post(relay, token, click("user-1", i))
					require.Equal(t, 503, rec.Code)
					require.NotEmpty(t, rec.Header().Get("Retry-After"))
					require.LessOrEqual(t, time.Since(start), 5*time.Second)
					failed++
					time.Sleep(100 * time.Millisecond)
				}
				require.LessOrEqual(t, len(fake.Requests()), 12+3)
				require.EqualValues(t, failed, relay.Stats().Failed)
				require.Equal(t, 503, post(relay, token, click("user-1", 0)).Code)
				require.Error(t, relay.Ready())
				time.Sleep(5 * time.Second)
				require.NoError(t, relay.Ready(), "a webhook may try again, so that a probe does not keep all away for ever")

				fake.Intercept(nil)
				start := time.Now()
				for post(relay, token, click("user-1", 0)).Code != 200 {
					time.Sleep(10 * time.Millisecond)
				}
				require.LessOrEqual(t, time.Since(start), 5*time.Second)
				require.NoError(t, relay.Ready())
				require.Equal(t, 1, strings.Count(log.String(), "amplitude fails"), log.String())
				require.Equal(t, 1, strings.Count(log.String(), "accepts events again"))
				require.NotContains(t, log.String(), "test-key")
			})
		})
	}
}

func TestABare429IsLeftAloneForItsPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		relay := newRelay(t, &fake)
		fake.FailNext(429)
		require.Equal(t, 503, post(relay, token, click("user-1", 0)).Code)
		time.Sleep(29 * time.Second)
		require.Equal(t, 503, post(relay, token, click("user-1", 0)).Code)
		require.Len(t, fake.Requests(), 1)
		time.Sleep(time.Second)
		require.Equal(t, 200, post(relay, token, click("user-1", 0)).Code)
	})
}

func TestAWebhookIsHeldForABoundedTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Intercept(func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
		relay := newRelay(t, &fake, func(cfg *iteramp.RelayConfig) { cfg.AnswerWithin = 2 * time.Second })
		var wg sync.WaitGroup
		start := time.Now()
		for i := range 3000 { // more than the uploads under way can hold
			wg.Go(func() { require.Equal(t, 503, post(relay, token, click("user-1", i)).Code) })
		}
		wg.Wait()
		require.LessOrEqual(t, time.Since(start), 2*time.Second+time.Millisecond)
	})
}

func TestTheClientOfALeaderMayGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			select {
			case <-time.After(time.Second):
			case <-r.Context().Done():
			}
			return false
		})
		relay := newRelay(t, &fake)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		rec := httptest.NewRecorder()
		relay.ServeHTTP(rec, iterabletest.WebhookRequest(token, click("user-1", 1)).WithContext(ctx))
		require.Equal(t, 200, rec.Code)
		require.Len(t, fake.Events(), 1)
	})
}

func TestTooManyRequestsAreRefusedUnread(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Intercept(func(_ http.ResponseWriter, r *http.Request) bool { <-r.Context().Done(); return true })
		relay := newRelay(t, &fake, func(cfg *iteramp.RelayConfig) { cfg.MaxWaiting = 2 })
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() { post(relay, token, click("user-1", i)) })
		}
		synctest.Wait()
		require.Error(t, relay.Ready())
		req := iterabletest.WebhookRequest(token, nil)
		req.Body, req.ContentLength = unread{t}, 100
		rec := httptest.NewRecorder()
		relay.ServeHTTP(rec, req)
		require.Equal(t, 503, rec.Code)
		wg.Wait()
	})
}

type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, errors.New("read")
}
func (unread) Close() error { return nil }

func TestPanicsAreFailures(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	var log bytes.Buffer
	inUpload := newAmplitudeWith(t, &fake, func(cfg *amplitude.Config) {
		cfg.OnAttempt = func(context.Context, amplitude.Attempt) { panic("canary") }
	})
	for name, change := range map[string]func(*iteramp.RelayConfig){
		"in a rule": func(cfg *iteramp.RelayConfig) {
			cfg.Routes[0].Rules.Keep = func(webhook.Event) bool { panic("canary") }
		},
		"in OnOutcome": func(cfg *iteramp.RelayConfig) {
			cfg.OnOutcome = func(context.Context, iteramp.RelayOutcome) { panic("canary") }
		},
		"in OnAttempt": func(cfg *iteramp.RelayConfig) { cfg.Routes[0].Amplitude = inUpload },
	} {
		log.Reset()
		relay := newRelay(t, &fake, change, func(cfg *iteramp.RelayConfig) { cfg.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		for range 6 { // more than there may be uploads at a time
			require.Equal(t, 503, post(relay, token, click("user-1", 1)).Code, name)
		}
		require.EqualValues(t, 6, relay.Stats().Failed, name)
		require.Contains(t, log.String(), "panic", name)
		require.NotContains(t, log.String(), "canary", name)
	}
}

func TestARouteOutlivesPanics(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	n := 0
	client := newAmplitudeWith(t, &fake, func(cfg *amplitude.Config) {
		cfg.OnAttempt = func(context.Context, amplitude.Attempt) {
			if n++; n <= 6 {
				panic("in a hook")
			}
		}
	})
	relay := newRelay(t, &fake, func(cfg *iteramp.RelayConfig) { cfg.Routes[0].Amplitude = client })
	for i := range 6 {
		require.Equal(t, 503, post(relay, token, click("user-1", i)).Code)
	}
	require.Equal(t, 200, post(relay, token, click("user-1", 7)).Code)
}

func TestALoneRefusalWithoutANameIsNotTheEventsFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		relay := newRelay(t, &fake)
		require.Equal(t, 200, post(relay, token, click("user-1", 0)).Code)
		fake.Intercept(func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(400)
			w.Write([]byte(`{"code":400,"error":"Request blocked by policy"}`))
			return true
		})
		lost := 0
		for i := range 20 {
			if post(relay, token, click("user-1", i)).Code == 200 {
				lost++
			}
			time.Sleep(5 * time.Second)
		}
		require.LessOrEqual(t, lost, 1, "one may be taken for a bad event, as long as others were accepted before")
		require.EqualValues(t, lost, relay.Stats().Refused["invalid"])
	})
}

func TestAProbeThatAskedNobodyOpensNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		relay := newRelay(t, &fake)
		fake.FailNext(503, 503, 503)
		require.Equal(t, 503, post(relay, token, click("user-1", 0)).Code)
		time.Sleep(5 * time.Second)
		require.Equal(t, 200, post(relay, token, click(strings.Repeat("x", 1025), 0)).Code, "refused without a request")
		require.Error(t, relay.Ready())
		require.Len(t, fake.Requests(), 3)
	})
}

func TestTheWaitForATurnIsNoOutage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		var requests atomic.Int64
		fake.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			wait := 150 * time.Millisecond
			if requests.Add(1) <= 4 {
				wait = 4900 * time.Millisecond
			}
			select {
			case <-time.After(wait):
			case <-r.Context().Done():
			}
			return false
		})
		relay := newRelay(t, &fake)
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() { post(relay, token, click("user-1", i)) })
			time.Sleep(15 * time.Millisecond)
		}
		wg.Wait()
		require.NoError(t, relay.Ready())
		require.Equal(t, 200, post(relay, token, click("user-1", 9)).Code)
	})
}

func TestTheVendorsPauseIsReadOffTheFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.ExhaustQuota("spent-user")
		relay := newRelay(t, &fake)
		var requests atomic.Int64
		fake.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
			switch requests.Add(1) {
			case 1: // holds up the others, so that they travel together
				time.Sleep(5 * time.Millisecond)
				return false
			case 2: // a 429 for the first of them alone
				return false
			}
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(503)
			return true
		})
		var wg sync.WaitGroup
		for _, user := range []string{"user-0", "spent-user", "user-1"} {
			wg.Go(func() { post(relay, token, click(user, 0)) })
			synctest.Wait()
		}
		wg.Wait()
		require.ErrorContains(t, relay.Ready(), "next try in 2m0s")
	})
}

func TestGatheringsHoldWhatOneRequestHolds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var fake amplitudetest.Fake
		fake.Intercept(func(_ http.ResponseWriter, r *http.Request) bool {
			select {
			case <-time.After(200 * time.Millisecond):
			case <-r.Context().Done():
			}
			return false
		})
		relay := newRelay(t, &fake)
		pad := bytes.Repeat([]byte(" "), 60_000)
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() { require.Equal(t, 200, post(relay, token, append(click("user-1", i), pad...)).Code) })
		}
		wg.Wait()
		require.Len(t, fake.Events(), 200)
		require.GreaterOrEqual(t, len(fake.Requests()), 200*60_000/800_000)
	})
}

func newAmplitudeWith(t testing.TB, fake *amplitudetest.Fake, change func(*amplitude.Config)) *amplitude.Client {
	cfg := fake.Config()
	change(&cfg)
	client, err := amplitude.NewClient(cfg)
	require.NoError(t, err)
	return client
}

func TestSubscriptionChangesTravelBesideTheEvent(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	relay := newRelay(t, &fake, func(cfg *iteramp.RelayConfig) { cfg.Routes[0].Rules.Subscriptions = true })
	require.Equal(t, 200, post(relay, token, iterabletest.Payload(webhook.EmailSubscribe)).Code)
	require.Len(t, fake.Events(), 1)
	require.Len(t, fake.Requests(), 1)
	require.NotEmpty(t, fake.UserProperties(fake.Events()[0].UserID)["iterable_list_ids"])
}

func TestConfigMistakesAreToldAtOnceAndWithoutValues(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	client := newAmplitude(t, &fake)
	_, err := iteramp.NewRelay(iteramp.RelayConfig{
		Routes: []iteramp.Route{
			{Name: "a", Amplitude: client, Secrets: []string{"canary1", "", "canary-canary\ncanary", "test-key:canary-canary", "canary-canary-ok"}},
			{Name: "a", Amplitude: client, Secrets: []string{"canary-canary-ok"}},
			{Name: "ca nary/", Secrets: nil},
			{Amplitude: new(amplitude.Client), Secrets: []string{"canary-canary-ok"}},
		},
		AnswerWithin: -1, MaxBody: -1, MaxWaiting: -1,
	})
	for _, want := range []string{
		"Routes[0].Secrets[0] is shorter than 8 bytes", "Routes[0].Secrets[1] is empty", "Routes[0].Secrets[2] holds a newline",
		"Routes[0].Secrets[3] begins with the API key", "Routes[1].Name is that of Routes[0]", "Routes[1].Secrets[0] is that of Routes[0].Secrets[4]",
		"Routes[2].Name", "Routes[2].Amplitude is missing", "Routes[2].Secrets is empty", "Routes[3].Amplitude", "AnswerWithin is negative", "MaxBody is negative", "MaxWaiting is negative",
	} {
		require.ErrorContains(t, err, want)
	}
	require.NotContains(t, err.Error(), "canary")
	_, err = iteramp.NewRelay(iteramp.RelayConfig{})
	require.ErrorContains(t, err, "Routes is empty")
}

func TestNothingPrintsSecrets(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	cfg := iteramp.RelayConfig{Routes: []iteramp.Route{{Amplitude: newAmplitude(t, &fake), Secrets: []string{secret}}}}
	relay, err := iteramp.NewRelay(cfg)
	require.NoError(t, err)
	acfg := fake.Config()
	acfg.SecretKey = "canary-secret-key"
	for _, v := range []any{cfg, &cfg, cfg.Routes, cfg.Routes[0], &cfg.Routes[0], relay, cfg.Routes[0].Amplitude, acfg, &acfg} {
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		text := log.String()
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			text += fmt.Sprintf(verb, v)
		}
		b, _ := json.Marshal(v)
		text += string(b)
		require.NotContains(t, text, "canary", "%T", v)
		require.NotContains(t, text, fmt.Sprintf("%x", "canary"), "%T", v)
	}
}

func TestShortSecretsAreWarnedAbout(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	var log bytes.Buffer
	newRelay(t, &fake, func(cfg *iteramp.RelayConfig) {
		cfg.Routes[0].Secrets = []string{"canary-8"}
		cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	})
	require.Contains(t, log.String(), "webhook secret is short")
	require.NotContains(t, log.String(), "canary")
}

func TestTheZeroRelayAnswers503(t *testing.T) {
	t.Parallel()
	var relay iteramp.Relay
	require.Equal(t, 503, post(&relay, token, click("user-1", 1)).Code)
	require.Error(t, relay.Ready())
	require.Zero(t, relay.Stats().Delivered)
}

func TestOneContextStopsServerAndRun(t *testing.T) {
	t.Parallel()
	var fake amplitudetest.Fake
	relay := newRelay(t, &fake)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- relay.Run(ctx) }()
	for !relay.Stats().Running {
		time.Sleep(time.Millisecond)
	}
	require.ErrorIs(t, relay.Run(ctx), iteramp.ErrRunning)
	cancel()
	require.NoError(t, <-done)
	require.Equal(t, 200, post(relay, token, click("user-1", 1)).Code, "serving does not depend on Run")
	require.False(t, relay.Stats().Running)
}

func FuzzRelay(f *testing.F) {
	for _, body := range iterabletest.Payloads() {
		f.Add(token, "application/json", body)
	}
	f.Add("", "text/plain", []byte("{}"))
	f.Fuzz(func(t *testing.T, authorization, contentType string, body []byte) {
		var fake amplitudetest.Fake
		relay := newRelay(t, &fake)
		req := iterabletest.WebhookRequest(token, body)
		req.Header.Set("Authorization", authorization)
		req.Header.Set("Content-Type", contentType)
		rec := httptest.NewRecorder()
		relay.ServeHTTP(rec, req)
		require.Contains(t, []int{200, 400, 401, 413, 415}, rec.Code)
		s := relay.Stats()
		require.LessOrEqual(t, len(fake.Events()), 1)
		if rec.Code == 200 {
			settled := s.Delivered
			for _, n := range s.Skipped {
				settled += n
			}
			for _, n := range s.Refused {
				settled += n
			}
			require.EqualValues(t, 1, settled)
			require.EqualValues(t, s.Delivered, len(fake.Events()))
		}
	})
}
