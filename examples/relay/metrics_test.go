package main

import (
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/jetstream"
)

func scrape(t *testing.T, r *running) string {
	code, text := ask(t, "GET", r.adminURL+"/metrics", "")
	require.Equal(t, http.StatusOK, code)
	return text
}

func TestAScrapeHasEveryMetric(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	amp.Poison(func(e amplitudetest.Event) bool { return e.UserID == "user-bad" })
	r := start(t, &amp)
	r.store.mu.Lock()
	r.store.backlog = []jetstream.Backlog{{Route: "shop", Frames: 5, Taken: 2, Bytes: 300, Limit: 400, Oldest: time.Now().Add(-time.Hour), Missing: 1}, {Route: "old"}}
	r.store.mu.Unlock()
	require.Contains(t, scrape(t, r), `iteramp_relay_webhooks_total{fate="delivered",reason="",route="shop"} 0`, "from the start on")
	require.Equal(t, 200, post(t, r.base, click("user-1")))
	require.Equal(t, 200, post(t, r.base, click("user-bad")))
	require.Equal(t, 200, post(t, r.base, iterabletest.Payload(webhook.InAppRecall)))
	require.Equal(t, 400, post(t, r.base, []byte(`{}`)))
	code, _ := ask(t, "GET", r.base+"/none", "")
	require.Equal(t, 404, code)
	require.Eventually(t, func() bool { s := r.relay.Stats(); return s.Delivered == 1 && s.Refused["invalid"] == 1 }, 10*time.Second, time.Millisecond)
	r.metrics().attempt(t.Context(), amplitude.Attempt{Op: "POST /2/httpapi", StatusCode: 0, Limited: time.Second})
	r.metrics().attempt(t.Context(), amplitude.Attempt{Op: "POST /2/httpapi", StatusCode: 799})

	text := scrape(t, r)
	for _, line := range []string{
		`iteramp_relay_webhooks_total{fate="delivered",reason="",route="shop"} 1`,
		`iteramp_relay_webhooks_total{fate="refused",reason="invalid",route="shop"} 1`,
		`iteramp_relay_webhooks_total{fate="skipped",reason="no_user_id",route="shop"} 1`,
		`iteramp_relay_webhooks_by_secret_total{route="shop",secret="0"} 3`,
		`iteramp_relay_webhooks_accepted_total 2`,
		`iteramp_relay_answers_total{status="200"} 3`,
		`iteramp_relay_answers_total{status="400"} 1`,
		`iteramp_relay_answers_total{status="404"} 1`,
		`iteramp_relay_answer_seconds_count 5`,
		`iteramp_relay_settle_seconds_count{route="shop"} 3`,
		`iteramp_relay_upload_seconds_count{op="POST /2/httpapi",status="none"} 1`,
		`iteramp_relay_upload_seconds_count{op="POST /2/httpapi",status="other"} 1`,
		`iteramp_relay_running 1`,
		`iteramp_relay_ready 1`,
		`iteramp_relay_backlog_frames{route="shop"} 5`,
		`iteramp_relay_backlog_taken_frames{route="shop"} 2`,
		`iteramp_relay_backlog_bytes{route="shop"} 300`,
		`iteramp_relay_backlog_limit_bytes{route="shop"} 400`,
		`iteramp_relay_backlog_missing_frames{route="shop"} 1`,
		`iteramp_relay_backlog_oldest_age_seconds{route="old"} 0`,
		`iteramp_relay_dead_letters 1`,
		`iteramp_relay_dead_letters_bytes 7`,
		`iteramp_relay_dead_letters_limit_bytes 99`,
		`iteramp_relay_store_ready 1`,
		`iteramp_relay_store_unread_total 0`,
	} {
		require.True(t, strings.Contains(text, "\n"+line+"\n"), "%s", line)
	}
	require.Regexp(t, `iteramp_relay_backlog_oldest_age_seconds\{route="shop"\} 360\d`, text)
	require.Regexp(t, `iteramp_relay_upload_limited_seconds_total\{op="POST /2/httpapi"\} 1[.\n]`, text)
	require.Regexp(t, `iteramp_relay_upload_seconds_count\{op="POST /2/httpapi",status="200"\} [1-9]`, text)
	require.Contains(t, text, "go_goroutines ")
	require.Contains(t, text, "process_start_time_seconds ")
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, prefix) {
			for _, secret := range []string{"user-", "emailClick", testSecret, testKey} {
				require.NotContains(t, line, secret)
			}
		}
	}
}

func (r *running) metrics() *metrics { return r.cfg.metrics }

func TestWhatASenderWritesIsNoLabel(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp)
	post(t, r.base, []byte(`{"eventName":"made-up","userId":"u-1"}`))
	require.Eventually(t, func() bool { return r.relay.Stats().Delivered == 1 }, 10*time.Second, time.Millisecond)
	require.NotContains(t, scrape(t, r), "made-up")
}

func TestAStoreThatDoesNotAnswerLeavesItsLastFigures(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp)
	r.store.mu.Lock()
	r.store.backlog = []jetstream.Backlog{{Route: "shop", Frames: 5}}
	r.store.mu.Unlock()
	scrape(t, r)
	r.store.fail(errors.New("no answer"))
	text := scrape(t, r)
	require.Contains(t, text, `iteramp_relay_backlog_frames{route="shop"} 5`)
	require.Contains(t, text, "iteramp_relay_store_unread_total 1\n")
	require.Contains(t, text, "iteramp_relay_store_ready 0\n")
	require.Contains(t, text, "iteramp_relay_ready 0\n")
}

func TestEveryMetricIsExplainedAndPrefixed(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	text := scrape(t, start(t, &amp))
	for _, line := range regexp.MustCompile(`(?m)^# HELP .*$`).FindAllString(text, -1) {
		fields := strings.SplitN(line, " ", 4)
		require.Len(t, fields, 4, line)
		require.Regexp(t, `^(iteramp_relay|go|process)_`, fields[2])
	}
}
