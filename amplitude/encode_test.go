package amplitude

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// full has every field of Event set, to something that is not zero.
func full(t testing.TB) Event {
	e := Event{
		Time:            time.UnixMilli(1767225600123),
		EventProperties: map[string]any{"channel": "email", "html": "<b>", "deep": []any{1, "x", nil}},
		UserProperties:  Operations{ClearAll: true, Unset: []string{"old"}, Set: map[string]any{"plan": "gold"}, Add: map[string]any{"n": 1}},
		GroupProperties: struct {
			Size int `json:"size"`
		}{7},
		Groups:                 map[string]any{"org": "a", "team": []string{"b", "c"}},
		SkipUserPropertiesSync: true,
		Plan:                   &Plan{Branch: "main", Source: "web", Version: "3"},
		IngestionMetadata:      &IngestionMetadata{SourceName: "bridge", SourceVersion: "0.3"},
	}
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.Kind() == reflect.String:
			f.SetString("v-" + v.Type().Field(i).Name)
		case f.Type() == reflect.TypeFor[*float64]():
			f.Set(reflect.ValueOf(new(float64(i) + 0.5)))
		case f.Type() == reflect.TypeFor[*int64]():
			f.Set(reflect.ValueOf(new(int64(i))))
		}
		require.False(t, v.Field(i).IsZero(), v.Type().Field(i).Name)
	}
	return e
}

// The struct tags are the vendor's names, so encoding/json on a type without our
// MarshalJSON is the reference for what MarshalJSON writes.
func TestEncodingIsThatOfTheTags(t *testing.T) {
	t.Parallel()
	type tagged Event
	type reference struct {
		tagged
		Time int64 `json:"time"`
	}
	e := full(t)
	want, err := json.Marshal(reference{tagged(e), e.Time.UnixMilli()})
	require.NoError(t, err)
	got, err := e.AppendJSON(nil)
	require.NoError(t, err)
	require.JSONEq(t, string(want), string(got))
	require.Contains(t, string(got), `"<b>"`)
}

func TestEventSurvivesARoundTrip(t *testing.T) {
	t.Parallel()
	first, err := json.Marshal(full(t))
	require.NoError(t, err)
	var e Event
	require.NoError(t, json.Unmarshal(first, &e))
	second, err := json.Marshal(e)
	require.NoError(t, err)
	require.JSONEq(t, string(first), string(second))
}

func TestZeroThatMeansSomethingIsSent(t *testing.T) {
	t.Parallel()
	e := Event{UserID: "u-1001", EventType: "x", Price: new(0.0), Quantity: new(int64(0)), Revenue: new(-0.5),
		LocationLat: new(0.0), SessionID: new(int64(0)), EventID: new(int64(0))}
	got, err := e.AppendJSON(nil)
	require.NoError(t, err)
	require.JSONEq(t, `{"user_id":"u-1001","event_type":"x","event_id":0,"session_id":0,"location_lat":0,"price":0,"quantity":0,"revenue":-0.5}`, string(got))
}

func TestOperationsHaveTheVendorsNames(t *testing.T) {
	t.Parallel()
	m := map[string]any{"k": "v"}
	got, err := json.Marshal(Operations{ClearAll: true, Unset: []string{"a"}, Set: m, SetOnce: m, Add: m, Append: m, Prepend: m, PreInsert: m, PostInsert: m, Remove: m})
	require.NoError(t, err)
	require.JSONEq(t, `{"$clearAll":"-","$unset":{"a":"-"},"$set":{"k":"v"},"$setOnce":{"k":"v"},"$add":{"k":"v"},"$append":{"k":"v"},
		"$prepend":{"k":"v"},"$preInsert":{"k":"v"},"$postInsert":{"k":"v"},"$remove":{"k":"v"}}`, string(got))
}

func TestPropertiesThatAreNoObjectAreRefused(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]any{
		"a string":           "x",
		"a list":             []int{1},
		"a raw list":         json.RawMessage(`[1]`),
		"a raw half":         json.RawMessage(`{"a":`),
		"raw with a tail":    json.RawMessage(`{} {}`),
		"raw, no UTF-8":      json.RawMessage("{\"a\":\"\xff\"}"),
		"not a number":       map[string]any{"x": math.NaN()},
		"a func":             map[string]any{"x": func() {}},
		"a secret in a func": map[string]any{"canary": make(chan int)},
	} {
		e := Event{UserID: "u-1001", EventType: "x", EventProperties: p}
		before := []byte("before")
		b, err := e.AppendJSON(before)
		require.ErrorContains(t, err, "event_properties", name)
		require.NotContains(t, err.Error(), "canary")
		require.Equal(t, before, b, name)
	}
}

func TestAbsentPropertiesAreLeftOut(t *testing.T) {
	t.Parallel()
	for _, p := range []any{nil, map[string]any(nil), json.RawMessage(nil), json.RawMessage("null"), (*Plan)(nil)} {
		b, err := (&Event{EventType: "x", EventProperties: p}).AppendJSON(nil)
		require.NoError(t, err)
		require.Equal(t, `{"event_type":"x"}`, string(b))
	}
}

func TestRawPropertiesGoByteForByte(t *testing.T) {
	t.Parallel()
	raw := json.RawMessage("{\n \"n\":12345678901234567890, \"a\":1,\"a\":2, \"s\":\"\\ud800\"}")
	b, err := (&Event{EventType: "x", EventProperties: raw}).AppendJSON(nil)
	require.NoError(t, err)
	require.True(t, bytes.Contains(b, raw))
}
