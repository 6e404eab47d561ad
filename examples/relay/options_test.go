package main

import (
	"bytes"
	"cmp"
	"io"
	"log/slog"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
)

func TestEverySettingIsAFlagAndAVariable(t *testing.T) {
	t.Parallel()
	want := options{
		Listen: ":1", Path: []string{"/a", "/b"}, Admin: "0.0.0.0:2", AdminPublic: true,
		AmplitudeKey: "key", Region: amplitude.RegionEU,
		NATS: "nats://n", NATSCreds: "creds", Replicas: 5, Monitor: []string{"http://m1", "http://m2"},
		MaxBytes: 1 << 20, MaxDeadBytes: 2 << 10, AnswerWithin: time.Second, MaxBody: 5, MaxWaiting: 6, MaxConnections: 7,
		TLSCert: "cert", TLSKey: "key.pem", StopWithin: time.Minute, LogLevel: slog.LevelDebug, Check: true,
	}
	args := "-listen :1 -path /a --path=/b -admin 0.0.0.0:2 -admin-public -amplitude-key key -region EU -nats nats://n -nats-creds creds " +
		"-replicas 5 -monitor http://m1 -monitor http://m2 -max-bytes 1MiB -max-dead-bytes 2KiB -answer-within 1s -max-body 5 -max-waiting 6 " +
		"-max-connections 7 -tls-cert cert -tls-key key.pem -stop-within 1m -log-level debug -check"
	byFlag, err := parse(strings.Fields(args), io.Discard, env(map[string]string{"RELAY_SECRET": "s"}))
	require.NoError(t, err)
	require.Equal(t, want, byFlag)

	byVariable, err := parse(nil, io.Discard, env(map[string]string{
		"RELAY_SECRET": "s", "RELAY_LISTEN": ":1", "RELAY_PATH": "/a,/b", "RELAY_ADMIN": "0.0.0.0:2", "RELAY_ADMIN_PUBLIC": "true",
		"RELAY_AMPLITUDE_KEY": "key", "RELAY_REGION": "EU", "RELAY_NATS": "nats://n", "RELAY_NATS_CREDS": "creds", "RELAY_REPLICAS": "5",
		"RELAY_MONITOR": "http://m1,http://m2", "RELAY_MAX_BYTES": "1048576", "RELAY_MAX_DEAD_BYTES": "2 KiB", "RELAY_ANSWER_WITHIN": "1s",
		"RELAY_MAX_BODY": "5", "RELAY_MAX_WAITING": "6", "RELAY_MAX_CONNECTIONS": "7", "RELAY_TLS_CERT": "cert", "RELAY_TLS_KEY": "key.pem",
		"RELAY_STOP_WITHIN": "1m", "RELAY_LOG_LEVEL": "debug", "RELAY_CHECK": "1", "RELAY_VERSION": "1.2.3",
	}))
	require.NoError(t, err)
	require.Equal(t, want, byVariable)

	both, err := parse([]string{"-listen", ":9"}, io.Discard, env(map[string]string{"RELAY_ROUTES": "r.json", "RELAY_LISTEN": ":1", "RELAY_DIRECT": "true"}))
	require.NoError(t, err)
	require.Equal(t, ":9", both.Listen, "the flag comes first")
	require.Equal(t, []any{"r.json", true, ""}, []any{both.Routes, both.Direct, both.Data})
}

func TestTheDefaultsAreAnEmbeddedQueueAndALoopbackAdmin(t *testing.T) {
	t.Parallel()
	opts, err := parse([]string{"-routes", "r.json"}, io.Discard, env(nil))
	require.NoError(t, err)
	require.Equal(t, options{
		Listen: ":8080", Path: []string{"/iterable"}, Admin: "127.0.0.1:8081", Routes: "r.json", Data: "relay-data", Replicas: 3,
		MaxBytes: 10 << 30, MaxDeadBytes: 1 << 30, AnswerWithin: 5 * time.Second, MaxBody: 1 << 20, MaxWaiting: 10_000,
		MaxConnections: 1024, StopWithin: 25 * time.Second,
	}, opts)
	require.Equal(t, "embedded", opts.mode())
}

func TestWrongSettingsAreNamedAllAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args string
		says []string
	}{
		{"x", []string{"unexpected argument x"}},
		{"-nothing", []string{"unknown flag --nothing"}},
		{"-max-bytes 5MB", []string{"want a number of bytes, such as 512MiB"}},
		{"-max-bytes 99999999999GiB", []string{"want a number of bytes, such as 512MiB"}},
		{"-answer-within 5", []string{"--answer-within"}},
		{"-log-level loud", []string{"--log-level"}},
		{"", []string{"-routes is missing, or RELAY_AMPLITUDE_KEY for a single route"}},
		{"-amplitude-key k", []string{"RELAY_SECRET is not set: anyone could send events"}},
		{"-routes r -amplitude-key k -data d -direct -path x -tls-cert c -admin :8081 -monitor m -max-body 0 -stop-within 0s", []string{
			"-amplitude-key and -region do not go with -routes", "choose one of -data, -nats and -direct", "-path must begin with a slash",
			"-tls-cert and -tls-key go together", "-admin is not on a loopback address", "-monitor and -nats-creds go with -nats",
			"-max-body must be more than zero", "-stop-within must be more than zero",
		}},
	} {
		_, err := parse(strings.Fields(c.args), io.Discard, env(nil))
		for _, says := range c.says {
			require.ErrorContains(t, err, says, c.args)
		}
	}
}

func TestOnlyLoopbackAddressesAreTheAdminsWithoutSayingSo(t *testing.T) {
	t.Parallel()
	for addr, want := range map[string]bool{
		"127.0.0.1:8081": true, "127.9.9.9:1": true, "[::1]:8081": true, "localhost:8081": true,
		":8081": false, "0.0.0.0:8081": false, "10.0.0.1:8081": false, "[::]:8081": false, "example.com:8081": false, "127.0.0.1": false,
		"localhost.example.com:1": false,
	} {
		require.Equal(t, want, isLoopback(addr), addr)
	}
}

func TestHelpHasEveryFlagWithItsVariableAndDefault(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-h"}, &out, &errs, env(nil)))
	require.Empty(t, errs.String())
	text := strings.Join(strings.Fields(out.String()), " ")
	camel := regexp.MustCompile(`([a-z])([A-Z])`)
	for f := range reflect.TypeFor[options]().Fields() {
		name := cmp.Or(f.Tag.Get("name"), strings.ToLower(camel.ReplaceAllString(f.Name, "$1-$2")))
		require.Contains(t, text, "--"+name)
		if name != "version" {
			require.Contains(t, text, "["+variable(name)+"]")
		}
		if def := f.Tag.Get("default"); def != "" {
			require.Contains(t, text, "(default "+def+")")
		}
	}
	for _, name := range []string{"RELAY_SECRET", "RELAY_SECRET_OLD", "-routes"} {
		require.Contains(t, text, name)
	}
}

func TestVersionNeedsNoSettings(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	require.Zero(t, run(t.Context(), []string{"-version"}, &out, &errs, env(nil)))
	require.NotEmpty(t, strings.TrimSpace(out.String()))
}
