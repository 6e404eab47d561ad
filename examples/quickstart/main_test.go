package main

import (
	"bytes"
	"context"
	"flag"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude/amplitudetest"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares a program's output with a file in testdata.
func golden(t *testing.T, file, got string) {
	t.Helper()
	file = filepath.Join("testdata", file)
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

type env map[string]string

func (e env) get(name string) string { return e[name] }

// quickstart runs the program and checks that its lines fit a terminal.
func quickstart(t *testing.T, e env, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, strings.NewReader(stdin), &out, &errs, e.get)
	for line := range strings.Lines(out.String()) {
		require.LessOrEqual(t, utf8.RuneCountInString(line), len("\n")+80, line)
	}
	return code, out.String(), errs.String()
}

func TestItPrintsWhatBecameOfTheExamples(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := quickstart(t, nil, "")
	require.Empty(t, stderr)
	require.Zero(t, code)
	golden(t, "quickstart.txt", stdout)
}

func TestTheEnvironmentAloneChangesNothing(t *testing.T) {
	t.Parallel()
	e := env{"AMPLITUDE_API_KEY": "a-real-key", "AMPLITUDE_REGION": "EU"}
	opts, err := parse(nil, e.get)
	require.NoError(t, err)
	require.Nil(t, opts.live)

	code, stdout, stderr := quickstart(t, e, "")
	require.Empty(t, stderr)
	require.Zero(t, code)
	golden(t, "quickstart.txt", stdout)
}

func TestLiveTakesTheProjectFromTheEnvironment(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		env    env
		args   []string
		region string
	}{
		{"the client's own region", env{}, nil, ""},
		{"the region of the environment", env{"AMPLITUDE_REGION": "EU"}, nil, "EU"},
		{"the flag wins", env{"AMPLITUDE_REGION": "EU"}, []string{"-region", "US"}, "US"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.env["AMPLITUDE_API_KEY"] = "a-real-key"
			opts, err := parse(append([]string{"-live"}, tt.args...), tt.env.get)
			require.NoError(t, err)
			require.Equal(t, "a-real-key", opts.live.APIKey)
			require.Equal(t, tt.region, string(opts.live.Region))
			require.Empty(t, opts.live.BaseURL)
		})
	}
}

func TestLiveSendsToTheProject(t *testing.T) {
	t.Parallel()
	fake := &amplitudetest.Fake{APIKey: "live-key"}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	code, stdout, stderr := quickstart(t, env{"AMPLITUDE_API_KEY": "live-key"}, "", "-live", "-base-url", server.URL)
	require.Empty(t, stderr)
	require.Zero(t, code)
	require.Len(t, fake.Events(), 78)
	require.Equal(t, 9, fake.Duplicates())
	require.Contains(t, stdout, "ARRIVED: 78 events, as Amplitude answered")
	require.NotContains(t, stdout, "AFTER", "the export is two hours late, and needs another key")
	for _, r := range fake.Requests() {
		require.Equal(t, "/2/httpapi", r.Path)
	}
}

func TestLiveFailsIfAmplitudeRefusesTheKey(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(&amplitudetest.Fake{APIKey: "another-key"})
	t.Cleanup(server.Close)
	code, stdout, _ := quickstart(t, env{"AMPLITUDE_API_KEY": "live-key"}, "", "-live", "-base-url", server.URL)
	require.Equal(t, 1, code)
	require.Contains(t, stdout, "NOT DELIVERED: 87 webhooks\n\n  503: amplitude: POST /2/httpapi: 400: Invalid API key")
	require.Contains(t, stdout, "NOT as expected: 78 arrived")
	require.NotContains(t, stdout, "live-key")
}

func TestWrongFlagsAreRefused(t *testing.T) {
	t.Parallel()
	key := env{"AMPLITUDE_API_KEY": "a-real-key"}
	for _, tt := range []struct {
		name string
		env  env
		args string
		says string
	}{
		{"an unknown flag", nil, "-fast", "-fast"},
		{"an argument", nil, "webhook.json", `"webhook.json" is no flag`},
		{"live without a key", nil, "-live", "AMPLITUDE_API_KEY"},
		{"live in a region that does not exist", key, "-live -region MARS", "Region"},
		{"live without encryption", key, "-live -base-url http://proxy.example.com", "BaseURL"},
		{"a region without live", key, "-region EU", "go with -live"},
		{"an address without live", key, "-base-url http://127.0.0.1:1", "go with -live"},
		{"live and preview", key, "-live -preview -", "choose one"},
		{"durable and live", key, "-live -durable", "alone"},
		{"an e-mail address without preview", nil, "-email", "-preview"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := quickstart(t, tt.env, "", strings.Fields(tt.args)...)
			require.Equal(t, 2, code)
			require.Empty(t, stdout)
			require.Contains(t, stderr, tt.says)
			require.NotContains(t, stderr, "a-real-key")
		})
	}
}

func TestHelpIsNoFailure(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := quickstart(t, nil, "", "-h")
	require.Zero(t, code)
	require.Equal(t, usage, stdout)
	require.Empty(t, stderr)
}

func TestAnInterruptEndsIt(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, errs bytes.Buffer
	require.Equal(t, 1, run(ctx, nil, nil, &out, &errs, env{}.get))
	require.Empty(t, out.String())
	require.Contains(t, errs.String(), "context canceled")
}

func TestAnEventThatDoesNotArriveIsAFailure(t *testing.T) {
	t.Parallel()
	out, err := demo(t.Context(), nil)
	require.NoError(t, err)
	out.rows = out.rows[1:]
	var b bytes.Buffer
	require.Equal(t, 1, report(&b, out))
	require.Contains(t, b.String(), "98 sent = 77 arrived")
	require.Contains(t, b.String(), "NOT as expected: 78 arrived")
}

func TestACohortIsSyncedTwice(t *testing.T) {
	t.Parallel()
	s, err := syncCohort(t.Context())
	require.NoError(t, err)
	require.Zero(t, s.writes[1], "counted at the fake")
	require.Len(t, s.members, 3)
	var b bytes.Buffer
	require.Zero(t, reportCohort(&b, s))

	for name, breakIt := range map[string]func(*synced){
		"an add is missing":                       func(s *synced) { s.first.Added-- },
		"the second run keeps too few":            func(s *synced) { s.second.Kept-- },
		"the second run writes":                   func(s *synced) { s.writes[1]++ },
		"a user is there without a placeholder":   func(s *synced) { s.members = s.members[:2] },
		"the member who is to be rejected is not": func(s *synced) { s.first.Rejected = nil },
		"the one without user id is not counted":  func(s *synced) { s.first.NoUserID = 0 },
	} {
		wrong := s
		breakIt(&wrong)
		b.Reset()
		require.Equal(t, 1, reportCohort(&b, wrong), name)
		require.Contains(t, b.String(), "NOT as expected", name)
	}
}
