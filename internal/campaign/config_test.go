package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/internal/queuetest"
	"github.com/iteramp/iteramp/iterable"
	"github.com/iteramp/iteramp/jetstream"
)

// mistake spoils a configuration. The error has to name the field and not the value.
type mistake[C any] struct {
	field, value string
	spoil        func(*C)
}

// Whatever can be configured is configured wrongly, one thing and two at a time.
func TestF28(t *testing.T) {
	// There are so few that every tier has all of them.
	whole(t, "F28", "mistakes of configuration", counts{1, 1, 1}, func(t *testing.T, _ *rand.Rand, _ int) {
		refused(t, true, amplitudeConfig, func(cfg amplitude.Config) error {
			_, err := amplitude.NewClient(cfg)
			return err
		}, amplitudeMistakes)
		refused(t, true, iterableConfig, func(cfg iterable.Config) error {
			_, err := iterable.NewClient(cfg)
			return err
		}, iterableMistakes)
		refused(t, true, func() amplitude.UploaderConfig { return amplitude.UploaderConfig{} }, func(cfg amplitude.UploaderConfig) error {
			u, err := amplitude.NewUploader(newAmplitude(t), cfg)
			if err == nil {
				require.NoError(t, u.Close(t.Context()))
			}
			return err
		}, uploaderMistakes)
		newRelay := func(cfg iteramp.RelayConfig) error {
			_, err := iteramp.NewRelay(cfg)
			return err
		}
		refused(t, true, func() iteramp.RelayConfig { return relayConfig(t) }, newRelay, relayMistakes(t))
		refused(t, false, func() iteramp.RelayConfig { return relayConfig(t) }, newRelay, routeMistakes(t))
		dir := t.TempDir()
		refused(t, true, func() iteramp.CohortSyncConfig { return cohortSyncConfig(t, dir) }, func(cfg iteramp.CohortSyncConfig) error {
			_, err := iteramp.NewCohortSync(cfg)
			return err
		}, cohortSyncMistakes(t))
		refused(t, false, func() jetstream.EmbedConfig { return jetstream.EmbedConfig{Dir: filepath.Join(dir, "store")} }, func(cfg jetstream.EmbedConfig) error {
			s, err := jetstream.Embed(t.Context(), cfg)
			if err == nil {
				require.NoError(t, s.Close())
			}
			return err
		}, embedMistakes(t))
	})
}

// refused makes each mistake in a configuration that is right without it. Where all
// mistakes are in one error, it makes them in pairs too.
func refused[C any](t *testing.T, together bool, right func() C, build func(C) error, mistakes []mistake[C]) {
	t.Helper()
	require.NoError(t, build(right()))
	for i, m := range mistakes {
		cfg := right()
		m.spoil(&cfg)
		names(t, build(cfg), m)
		for _, other := range mistakes[:i] {
			if both := right(); together && !strings.HasPrefix(m.field, other.field) && !strings.HasPrefix(other.field, m.field) {
				other.spoil(&both)
				m.spoil(&both)
				err := build(both)
				names(t, err, m)
				names(t, err, other)
			}
		}
	}
}

func names[C any](t *testing.T, err error, m mistake[C]) {
	t.Helper()
	require.ErrorContains(t, err, m.field, "value %q", m.value)
	if m.value != "" {
		require.NotContains(t, err.Error(), m.value)
	}
	namesNobody(t, err)
}

// wrongURLs are no base URLs. Each holds a text that no error may repeat.
var wrongURLs = []string{
	"http://canary.example.net", "ftp://canary.example.net", "canary.example.net", "https://name:canary@127.0.0.1", "https://127.0.0.1?canary=1",
	"https://127.0.0.1#canary", "https://", "://canary", "https:canary.example.net", "http://127.0.0.1.canary.example.net", "file:///canary", "https://127.0.0.1\ncanary",
}

// wrongKeys cannot stand in a header.
var wrongKeys = []string{"canary\nX-Header: 1", "canary\r", " canary", "canary\t", "canary\x00", "canary\x7f"}

func amplitudeConfig() amplitude.Config {
	return amplitude.Config{APIKey: "test-key", SecretKey: "test-secret", Region: amplitude.RegionEU, BaseURL: "https://amplitude.example.net/proxy"}
}

var amplitudeMistakes = func() []mistake[amplitude.Config] {
	list := []mistake[amplitude.Config]{
		{"APIKey", "", func(c *amplitude.Config) { c.APIKey = "" }},
		{"Region", "canary", func(c *amplitude.Config) { c.Region = "canary" }},
		{"Region", "", func(c *amplitude.Config) { c.Region = "eu" }},
		{"MaxAttempts", "-1", func(c *amplitude.Config) { c.MaxAttempts = -1 }},
		{"Limits", "", func(c *amplitude.Config) { c.Limits = map[string]amplitude.Limiter{"POST /3/httpapi": nil} }},
	}
	for _, key := range wrongKeys {
		list = append(list, mistake[amplitude.Config]{"APIKey", "canary", func(c *amplitude.Config) { c.APIKey = key }},
			mistake[amplitude.Config]{"SecretKey", "canary", func(c *amplitude.Config) { c.SecretKey = key }})
	}
	for _, url := range wrongURLs {
		list = append(list, mistake[amplitude.Config]{"BaseURL", "canary", func(c *amplitude.Config) { c.BaseURL = url }})
	}
	return list
}()

func iterableConfig() iterable.Config {
	return iterable.Config{APIKey: "test-api-key", Region: iterable.RegionEU, ProjectType: iterable.ProjectTypeHybrid, BaseURL: "https://iterable.example.net"}
}

var iterableMistakes = func() []mistake[iterable.Config] {
	list := []mistake[iterable.Config]{
		{"APIKey", "", func(c *iterable.Config) { c.APIKey = "" }},
		{"Region", "canary", func(c *iterable.Config) { c.Region = "canary" }},
		{"ProjectType", "canary", func(c *iterable.Config) { c.ProjectType = "canary" }},
		{"MaxAttempts", "-1", func(c *iterable.Config) { c.MaxAttempts = -1 }},
		{"Limits", "", func(c *iterable.Config) { c.Limits = map[string]iterable.Limiter{"GET /api/list": nil} }},
	}
	for _, key := range wrongKeys {
		list = append(list, mistake[iterable.Config]{"APIKey", "canary", func(c *iterable.Config) { c.APIKey = key }})
	}
	for _, url := range wrongURLs {
		list = append(list, mistake[iterable.Config]{"BaseURL", "canary", func(c *iterable.Config) { c.BaseURL = url }})
	}
	return list
}()

var uploaderMistakes = []mistake[amplitude.UploaderConfig]{
	{"MaxEvents", "-1", func(c *amplitude.UploaderConfig) { c.MaxEvents = -1 }},
	{"MaxDelay", "-1", func(c *amplitude.UploaderConfig) { c.MaxDelay = -1 }},
	{"MinIDLength", "-1", func(c *amplitude.UploaderConfig) { c.MinIDLength = -1 }},
	{"MaxThrottle", "-1", func(c *amplitude.UploaderConfig) { c.MaxThrottle = -1 }},
}

func newAmplitude(t *testing.T) *amplitude.Client {
	c, err := amplitude.NewClient(amplitudeConfig())
	require.NoError(t, err)
	return c
}

func relayConfig(t *testing.T) iteramp.RelayConfig {
	return iteramp.RelayConfig{
		Routes: []iteramp.Route{{Name: "eu", Amplitude: newAmplitude(t), Secrets: []string{secret}}},
		Queue:  &queuetest.Queue{}, DeadLetter: &queuetest.Letters{},
	}
}

func relayMistakes(t *testing.T) []mistake[iteramp.RelayConfig] {
	list := []mistake[iteramp.RelayConfig]{
		{"DeadLetter", "", func(c *iteramp.RelayConfig) { c.DeadLetter = nil }},
		{"AnswerWithin", "-1", func(c *iteramp.RelayConfig) { c.AnswerWithin = -1 }},
		{"MaxBody", "-1", func(c *iteramp.RelayConfig) { c.MaxBody = -1 }},
		{"MaxWaiting", "-1", func(c *iteramp.RelayConfig) { c.MaxWaiting = -1 }},
		{"Routes[0].Amplitude", "", func(c *iteramp.RelayConfig) { c.Routes[0].Amplitude = nil }},
		{"Routes[0].Amplitude", "", func(c *iteramp.RelayConfig) { c.Routes[0].Amplitude = &amplitude.Client{} }},
		{"Routes[0].Secrets", "", func(c *iteramp.RelayConfig) { c.Routes[0].Secrets = nil }},
	}
	for _, name := range []string{"canary 1", "canary\n", strings.Repeat("canary", 20), "canary/..", "canäry"} {
		list = append(list, mistake[iteramp.RelayConfig]{"Routes[0].Name", "can", func(c *iteramp.RelayConfig) { c.Routes[0].Name = name }})
	}
	for _, s := range []string{"", "canary", "canary-canary-16\n", " canary-canary-16"} {
		list = append(list, mistake[iteramp.RelayConfig]{"Routes[0].Secrets[0]", "canary", func(c *iteramp.RelayConfig) { c.Routes[0].Secrets = []string{s} }})
	}
	return list
}

// routeMistakes are those that show in two fields together.
func routeMistakes(t *testing.T) []mistake[iteramp.RelayConfig] {
	return []mistake[iteramp.RelayConfig]{
		{"Routes", "", func(c *iteramp.RelayConfig) { c.Routes = nil }},
		{"Routes[0].Secrets[0]", "canary", func(c *iteramp.RelayConfig) { c.Routes[0].Secrets = []string{"test-key:canary-canary-16"} }},
		{"Routes[1].Name", "canary", func(c *iteramp.RelayConfig) {
			c.Routes[0].Name = "canary"
			c.Routes = append(c.Routes, iteramp.Route{Name: "canary", Amplitude: newAmplitude(t), Secrets: []string{"another-secret-16"}})
		}},
		{"Routes[1].Secrets[0]", "", func(c *iteramp.RelayConfig) {
			c.Routes = append(c.Routes, iteramp.Route{Name: "other", Amplitude: newAmplitude(t), Secrets: []string{secret}})
		}},
	}
}

func cohortSyncConfig(t *testing.T, dir string) iteramp.CohortSyncConfig {
	i, err := iterable.NewClient(iterableConfig())
	require.NoError(t, err)
	return iteramp.CohortSyncConfig{Amplitude: newAmplitude(t), Iterable: i, LedgerDir: filepath.Join(dir, "ledger"), Cohorts: []string{"a", "b"}, Every: time.Hour}
}

func cohortSyncMistakes(t *testing.T) []mistake[iteramp.CohortSyncConfig] {
	project := func(kind iterable.ProjectType) *iterable.Client {
		cfg := iterableConfig()
		cfg.Region, cfg.ProjectType = iterable.RegionUS, kind
		c, err := iterable.NewClient(cfg)
		require.NoError(t, err)
		return c
	}
	list := []mistake[iteramp.CohortSyncConfig]{
		{"Amplitude", "", func(c *iteramp.CohortSyncConfig) { c.Amplitude = nil }},
		{"Amplitude", "", func(c *iteramp.CohortSyncConfig) { c.Amplitude = &amplitude.Client{} }},
		{"Iterable", "", func(c *iteramp.CohortSyncConfig) { c.Iterable = nil }},
		{"Iterable", "", func(c *iteramp.CohortSyncConfig) { c.Iterable = &iterable.Client{} }},
		{"ProjectType", "", func(c *iteramp.CohortSyncConfig) { c.Iterable = project("") }},
		{"Cohorts[1]", "canary", func(c *iteramp.CohortSyncConfig) { c.Cohorts = []string{"canary", "canary"} }},
		{"Cohorts[1]", "", func(c *iteramp.CohortSyncConfig) { c.Cohorts = []string{"canary", ""} }},
		{"Every", "-1", func(c *iteramp.CohortSyncConfig) { c.Every = -1 }},
		{"MaxRemovals", "-1", func(c *iteramp.CohortSyncConfig) { c.MaxRemovals = -1 }},
		{"LedgerDir", "", func(c *iteramp.CohortSyncConfig) { c.LedgerDir = "" }},
	}
	for _, dir := range wrongDirs(t) {
		list = append(list, mistake[iteramp.CohortSyncConfig]{"LedgerDir", "", func(c *iteramp.CohortSyncConfig) { c.LedgerDir = dir }})
	}
	// It takes two fields, so it goes with no other mistake of either.
	cfg := cohortSyncConfig(t, t.TempDir())
	cfg.Iterable, cfg.SeedFromList = project(iterable.ProjectTypeEmail), true
	_, err := iteramp.NewCohortSync(cfg)
	require.ErrorContains(t, err, "SeedFromList")
	return list
}

func embedMistakes(t *testing.T) []mistake[jetstream.EmbedConfig] {
	list := []mistake[jetstream.EmbedConfig]{
		{"MaxBytes", "-1", func(c *jetstream.EmbedConfig) { c.MaxBytes = -1 }},
		{"MaxDeadBytes", "-1", func(c *jetstream.EmbedConfig) { c.MaxDeadBytes = -1 }},
		{"Dir", "", func(c *jetstream.EmbedConfig) { c.Dir = "" }},
	}
	for _, dir := range wrongDirs(t) {
		list = append(list, mistake[jetstream.EmbedConfig]{"Dir", "", func(c *jetstream.EmbedConfig) { c.Dir = dir }})
	}
	return list
}

// wrongDirs are a file, one that others may write to, and one whose parent is missing,
// as that of a file system that is not mounted.
func wrongDirs(t *testing.T) []string {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	open := filepath.Join(dir, "open")
	require.NoError(t, os.Mkdir(open, 0o700))
	require.NoError(t, os.Chmod(open, 0o777))
	return []string{file, open, filepath.Join(dir, "missing", "data")}
}
