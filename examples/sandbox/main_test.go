package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
)

// running is a sandbox on free ports.
type running struct {
	amplitude, iterable, relay string // URLs, from what it prints
	welcome                    string
	interrupt                  func() int // returns the exit code
}

func startSandbox(t *testing.T, args ...string) running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	out, in := io.Pipe()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"-amplitude", "127.0.0.1:0", "-iterable", "127.0.0.1:0", "-relay", "127.0.0.1:0"}, args...), in, io.Discard)
		in.Close()
	}()
	t.Cleanup(cancel)
	s := running{interrupt: func() int { cancel(); return <-code }}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		s.welcome += lines.Text() + "\n"
		if addr, ok := strings.CutPrefix(lines.Text(), "Amplitude  "); ok {
			s.amplitude = addr
		}
		if addr, ok := strings.CutPrefix(lines.Text(), "Iterable   "); ok {
			s.iterable = addr
		}
		if addr, ok := strings.CutPrefix(lines.Text(), "Relay      "); ok {
			s.relay = addr
		}
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			break
		}
	}
	go io.Copy(io.Discard, out) // so that it may print more
	require.NotEmpty(t, s.relay, "it printed %q", s.welcome)
	return s
}

func call(t *testing.T, req *http.Request) (status int, body string) {
	t.Helper()
	resp, err := http.DefaultClient.Do(req.WithContext(t.Context()))
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(b)
}

func (s running) send(t *testing.T, token string, body []byte) (status int) {
	t.Helper()
	req := iterabletest.WebhookRequest(token, body)
	to, err := url.Parse(s.relay)
	require.NoError(t, err)
	req.URL, req.Host = to, ""
	status, _ = call(t, req)
	return status
}

func (s running) page(t *testing.T) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, strings.TrimSuffix(s.relay, "iterable"), nil)
	require.NoError(t, err)
	status, page := call(t, req)
	require.Equal(t, 200, status)
	return page
}

// export returns the JSON lines of all events of this hour and the one before.
func (s running) export(t *testing.T, key, secret string) string {
	t.Helper()
	const hour = "20060102T15"
	now := time.Now().UTC()
	req, err := http.NewRequest(http.MethodGet, s.amplitude+"/api/2/export?start="+now.Add(-time.Hour).Format(hour)+"&end="+now.Format(hour), nil)
	require.NoError(t, err)
	req.SetBasicAuth(key, secret)
	status, body := call(t, req)
	require.Equal(t, 200, status, body)
	archive, err := zip.NewReader(strings.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	var all bytes.Buffer
	for _, f := range archive.File {
		in, err := f.Open()
		require.NoError(t, err)
		plain, err := gzip.NewReader(in)
		require.NoError(t, err)
		_, err = io.Copy(&all, plain)
		require.NoError(t, err)
	}
	return all.String()
}

func TestAWebhookIsInTheExportAndOnThePage(t *testing.T) {
	t.Parallel()
	s := startSandbox(t)
	require.Contains(t, s.page(t), "none yet")

	require.Equal(t, 200, s.send(t, "sandbox-key:sandbox-webhook-key", iterabletest.Payload(webhook.EmailClick)))
	require.Equal(t, 200, s.send(t, "sandbox-key:sandbox-webhook-key", iterabletest.Payload(webhook.InAppRecall)))
	require.Equal(t, 401, s.send(t, "sandbox-key:another-webhook-key", iterabletest.Payload(webhook.EmailOpen)))

	const insertID = "itbl1-3a1e1b131e39163ae1d6fe7d2c0b385f0234b2aa"
	rows := s.export(t, "sandbox-key", "sandbox-secret")
	require.Equal(t, 1, strings.Count(rows, "\n"))
	require.Contains(t, rows, `"$insert_id":"`+insertID+`"`)
	require.Contains(t, rows, `"event_type":"[Iterable] emailClick"`)

	page := s.page(t)
	for _, want := range []string{
		"<td>emailClick<td>delivered", "<td>inAppRecall<td>skipped<td>no_user_id", "<td>[Iterable] emailClick<td>" + insertID,
		"<b>1</b>delivered", "<b>1</b>skipped: no_user_id", "<b>2</b>answered 200", "<b>1</b>answered 401",
	} {
		require.Contains(t, page, want)
	}
	for _, personal := range []string{"usr-48213", "example.com", "203.0.113", "kettle", "Gothenburg"} {
		require.NotContains(t, page, personal)
	}
	require.Zero(t, s.interrupt())
}

func TestAnEventUploadedByOthersIsInTheExportAndOnThePage(t *testing.T) {
	t.Parallel()
	s := startSandbox(t, "-amplitude-api-key", "my-key", "-amplitude-secret-key", "my-secret", "-iterable-auth-key", "my-webhook-key")
	req, err := http.NewRequest(http.MethodPost, s.amplitude+"/2/httpapi", strings.NewReader(
		`{"api_key":"my-key","events":[{"user_id":"user-1","event_type":"<b>Signed Up</b>","insert_id":"i-1"}]}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	status, _ := call(t, req)
	require.Equal(t, 200, status)
	require.Contains(t, s.export(t, "my-key", "my-secret"), `"$insert_id":"i-1"`)
	require.Contains(t, s.page(t), "&lt;b&gt;Signed Up&lt;/b&gt;<td>i-1")
	require.NotContains(t, s.page(t), "user-1")
	require.Equal(t, 200, s.send(t, "my-key:my-webhook-key", iterabletest.Payload(webhook.SMSClick)))
	for _, key := range []string{"-u my-key:my-secret", "Authorization: my-key:my-webhook-key", `"api_key":"my-key"`} {
		require.Contains(t, s.welcome, key)
	}
}

func TestIterableIsServedAndACohortBecomesAList(t *testing.T) {
	t.Parallel()
	for _, projectType := range []iterable.ProjectType{iterable.ProjectTypeEmail, iterable.ProjectTypeUserID, iterable.ProjectTypeHybrid} {
		t.Run(string(projectType), func(t *testing.T) {
			t.Parallel()
			s := startSandbox(t, "-iterable-project-type", string(projectType))
			amp, err := amplitude.NewClient(amplitude.Config{APIKey: "sandbox-key", SecretKey: "sandbox-secret", BaseURL: s.amplitude})
			require.NoError(t, err)
			it, err := iterable.NewClient(iterable.Config{APIKey: "sandbox-iterable-key", BaseURL: s.iterable, ProjectType: projectType})
			require.NoError(t, err)
			sync, err := iteramp.NewCohortSync(iteramp.CohortSyncConfig{Amplitude: amp, Iterable: it, LedgerDir: t.TempDir()})
			require.NoError(t, err)
			report, err := sync.Sync(t.Context(), cohortID)
			require.NoError(t, err)
			require.Equal(t, []int{3, 1}, []int{report.Added, report.NoUserID})
			for _, want := range []string{
				"<td>[Amplitude] Regulars<td>3", "<td>Made by hand<td>2", "<td>regulars<td>Regulars<td>4", "<td>Lapsed<td>1",
				"<b>4</b>users in Iterable", // two are there from the start, and one of the cohort is among them
			} {
				require.Contains(t, s.page(t), want)
			}
			webhooks, err := it.Webhooks.List(t.Context())
			require.NoError(t, err)
			require.Len(t, webhooks, 1)
			require.Contains(t, s.welcome, "-cohort "+cohortID+" -project-type "+string(projectType))
			require.Contains(t, s.welcome, "Api-Key: sandbox-iterable-key")
		})
	}
}

func TestTheWelcomesLinesCanBePasted(t *testing.T) {
	t.Parallel()
	for _, projectType := range []string{"email", "userId", "hybrid"} {
		t.Run(projectType, func(t *testing.T) {
			t.Parallel()
			s := startSandbox(t, "-iterable-project-type", projectType)
			posts := regexp.MustCompile(`(http://\S+) (?:-H .*)?\\\n(?:    -H .*\\\n)*.* -d '(.*)'`).FindAllStringSubmatch(s.welcome, -1)
			require.Len(t, posts, 3)
			for _, post := range posts {
				req, err := http.NewRequest(http.MethodPost, post[1], strings.NewReader(post[2]))
				require.NoError(t, err)
				req.Header.Set("Content-Type", "application/json")
				req.Header.Set("Authorization", "sandbox-key:sandbox-webhook-key")
				req.Header.Set("Api-Key", "sandbox-iterable-key")
				status, body := call(t, req)
				require.Equal(t, 200, status, body)
			}
			require.Contains(t, s.page(t), "<td>Made by hand<td>3")
			require.Contains(t, s.page(t), "<b>2</b>events in Amplitude")
		})
	}
}

func TestThePageKeepsTheLastOutcomesOnly(t *testing.T) {
	t.Parallel()
	var r recent
	for i := range kept + 3 {
		r.add(seen{Time: time.UnixMilli(int64(i))})
	}
	all := r.newestFirst()
	require.Len(t, all, kept)
	require.EqualValues(t, kept+2, all[0].Time.UnixMilli())
	require.EqualValues(t, 3, all[kept-1].Time.UnixMilli())
}

func TestWrongFlagsAreRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, args, says string }{
		{"an unknown flag", "-fast", "-fast"},
		{"an argument", "18001", `"18001" is no flag`},
		{"no API key", "-amplitude-api-key=", "may not be empty"},
		{"no key of Iterable", "-iterable-api-key=", "may not be empty"},
		{"a type of project that is none", "-iterable-project-type mail", "ProjectType must be"},
		{"a short secret", "-iterable-auth-key short", "Secrets[0] is shorter than 8 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out, errs bytes.Buffer
			require.Equal(t, 2, run(t.Context(), strings.Fields(tt.args), &out, &errs))
			require.Empty(t, out.String())
			require.Contains(t, errs.String(), tt.says)
		})
	}
}

func TestAnAddressThatIsTakenIsAFailure(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { taken.Close() })
	for _, args := range [][]string{
		{"-amplitude", taken.Addr().String(), "-iterable", "127.0.0.1:0", "-relay", "127.0.0.1:0"},
		{"-amplitude", "127.0.0.1:0", "-iterable", taken.Addr().String(), "-relay", "127.0.0.1:0"},
		{"-amplitude", "127.0.0.1:0", "-iterable", "127.0.0.1:0", "-relay", taken.Addr().String()},
	} {
		var out, errs bytes.Buffer
		require.Equal(t, 1, run(t.Context(), args, &out, &errs))
		require.Empty(t, out.String())
		require.Contains(t, errs.String(), "address already in use")
	}
}

func TestHelpIsNoFailure(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-h"}, &out, &errs))
	require.Equal(t, usage, out.String())
	require.Empty(t, errs.String())
}
