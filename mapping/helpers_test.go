package mapping_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

// received is the time of receipt in all tests.
var received = time.Date(2026, 5, 10, 8, 30, 0, 0, time.UTC)

func parse(t testing.TB, body string) webhook.Event {
	t.Helper()
	e, err := webhook.Parse([]byte(body))
	require.NoError(t, err)
	return e
}

// payload parses one of the bodies of iterabletest.
func payload(t testing.TB, name string) webhook.Event {
	t.Helper()
	return parse(t, string(body(t, name)))
}

func body(t testing.TB, name string) []byte {
	t.Helper()
	for n, body := range iterabletest.Payloads() {
		if n == name {
			return body
		}
	}
	require.Fail(t, "no payload "+name)
	return nil
}

// properties maps a webhook of the given name and dataFields and returns the
// event properties, as they are sent.
func properties(t testing.TB, r mapping.Rules, name webhook.Name, dataFields string) string {
	t.Helper()
	e, err := r.Event(parse(t, `{"userId":"u-1","eventName":"`+string(name)+`","dataFields":`+dataFields+`}`), received)
	require.NoError(t, err)
	return propertiesOf(t, e)
}

func propertiesOf(t testing.TB, e amplitude.Event) string {
	t.Helper()
	if e.EventProperties == nil {
		return ""
	}
	return string(e.EventProperties.(json.RawMessage))
}

func compact(t testing.TB, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, json.Compact(&b, body))
	return b.Bytes()
}
