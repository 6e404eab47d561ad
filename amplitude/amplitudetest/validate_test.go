package amplitudetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestARequestIsRefusedInAmplitudesWords(t *testing.T) {
	t.Parallel()
	event := `{"user_id":"u-1001","event_type":"x"}`
	for _, test := range []struct{ name, body, text, missing string }{
		{"no body", ``, "Missing request body", ""},
		{"blank body", " \n", "Missing request body", ""},
		{"no JSON", `{"api_key"`, "Invalid JSON request body", ""},
		{"data after the object", `{"api_key":"test-key","events":[` + event + `]}{}`, "Invalid JSON request body", ""},
		{"no object", `[]`, "Invalid JSON request body", ""},
		{"null", `null`, "Invalid JSON request body", ""},
		{"no UTF-8", `{"api_key":"test-key","events":[{"user_id":"u-1001","event_type":"` + "\xff" + `"}]}`, "Invalid JSON request body", ""},
		{"no key", `{"events":[` + event + `]}`, "Request missing required field", "api_key"},
		{"empty key", `{"api_key":"","events":[` + event + `]}`, "Request missing required field", "api_key"},
		{"wrong key", `{"api_key":"other","events":[` + event + `]}`, "Invalid API key: other", ""},
		{"key of another type", `{"api_key":17,"events":[` + event + `]}`, "Invalid API key: 17", ""},
		{"no events", `{"api_key":"test-key"}`, "Request missing required field", "events"},
		{"no events in another case", `{"api_key":"test-key","Events":[` + event + `]}`, "Request missing required field", "events"},
		{"empty events", `{"api_key":"test-key","events":[]}`, "Request missing required field", "events"},
		{"events are no list", `{"api_key":"test-key","events":{}}`, "Invalid JSON request body", ""},
		{"event is no object", `{"api_key":"test-key","events":[7]}`, "Invalid event JSON", ""},
		{"event is null", `{"api_key":"test-key","events":[null]}`, "Invalid event JSON", ""},
		{"options are no object", `{"api_key":"test-key","options":[],"events":[` + event + `]}`, "Invalid JSON request body", ""},
		{"minimum is no integer", `{"api_key":"test-key","options":{"min_id_length":"1"},"events":[` + event + `]}`, "Invalid JSON request body", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var f Fake
			want := map[string]any{"code": 400.0, "error": test.text}
			if test.missing != "" {
				want["missing_field"] = test.missing
			}
			status, answer := post(t, &f, pathHTTPV2, test.body)
			require.Equal(t, 400, status)
			require.Equal(t, want, answer)
			require.Empty(t, f.Events())
		})
	}
}

func TestAFieldOfTheWrongTypeIsNamed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ field, good, bad string }{
		{"user_id", `"u-1001"`, `1001`},
		{"device_id", `"d-1001"`, `{}`},
		{"event_type", `"Order Placed"`, `5`},
		{"event_type", `"[Amplitude] Starts"`, `"[Amplitude] Start Session"`},
		{"insert_id", `"i"`, `1`},
		{"time", `1767225600123`, `"2026-01-01T00:00:00Z"`},
		{"time", `-1`, `1767225600123.0`},
		{"time", `0`, `1e3`},
		{"session_id", `-1`, `"1"`},
		{"event_id", `7`, `7.5`},
		{"event_id", `9223372036854775807`, `9223372036854775808`},
		{"quantity", `2`, `2.5`},
		{"price", `9.5`, `"9.50"`},
		{"price", `-9`, `1e999`},
		{"revenue", `0`, `true`},
		{"location_lat", `59.9`, `"59.9"`},
		{"location_lng", `10`, `[]`},
		{"ip", `"$remote"`, `1`},
		{"$skip_user_properties_sync", `true`, `"true"`},
		{"event_properties", `{"a":[{}]}`, `[]`},
		{"user_properties", `{"$x":1}`, `"plan"`},
		{"user_properties", `{"$set":{"a":1},"$unset":{"b":"-"}}`, `{"$set":{"a":1},"plan":"gold"}`},
		{"user_properties", `{"$clearAll":"-"}`, `{"$add":1}`},
		{"group_properties", `{}`, `1`},
		{"groups", `{"org":"acme","team":["a",1]}`, `{"org":{}}`},
		{"groups", `{}`, `["org"]`},
		{"plan", `{"branch":"main"}`, `"main"`},
		{"ingestion_metadata", `{}`, `[]`},
		{"event_properties", nested(40), nested(41)},
		{"user_properties", nested(40), nested(41)},
		{"event_properties", `null`, `false`},
	} {
		t.Run(test.field+" "+test.bad[:min(len(test.bad), 20)], func(t *testing.T) {
			t.Parallel()
			var f Fake
			base := `{"user_id":"u-1001","event_type":"x"}`
			status, answer := send(t, &f, base, with(base, test.field, test.bad), with(base, test.field, test.good))
			require.Equal(t, 400, status)
			require.Equal(t, map[string]any{
				"code": 400.0, "error": "Invalid field values on some events",
				"events_with_invalid_fields": map[string]any{test.field: []any{1.0}},
			}, answer)
			require.Empty(t, f.Events(), "a 400 stores nothing")

			status, _ = send(t, &f, base, with(base, test.field, test.good))
			require.Equal(t, 200, status)
		})
	}
}

// with adds a field to a JSON object; of two fields of one name the last counts.
func with(event, field, value string) string {
	return fmt.Sprintf(`%s,%q:%s}`, strings.TrimSuffix(event, "}"), field, value)
}

// nested is an object of the given depth, lists and objects in turn.
func nested(levels int) string {
	open, shut := "", ""
	for i := range levels {
		if i%2 == 0 {
			open, shut = open+`{"a":`, "}"+shut
		} else {
			open, shut = open+`[`, "]"+shut
		}
	}
	return open + "1" + shut
}

func TestAllFaultsOfARequestAreInOneAnswer(t *testing.T) {
	t.Parallel()
	events := []string{
		`{"user_id":"u-1001"}`,
		`{"user_id":"u-1001","event_type":"x"}`,
		`{"event_type":"x"}`,
		`{"user_id":"u1","event_type":"x"}`,
		`{"user_id":"u-1001","event_type":"","time":"now"}`,
		`{"user_id":"u-1001","event_type":"x","time":1.5}`,
	}
	for _, test := range []struct {
		name      string
		firstOnly bool
		want      map[string]any
	}{
		{"every index", false, map[string]any{
			"code": 400.0, "error": "Request missing required field",
			"events_with_missing_fields":     map[string]any{"event_type": []any{0.0, 4.0}, "user_id": []any{2.0}},
			"events_with_invalid_fields":     map[string]any{"time": []any{4.0, 5.0}},
			"events_with_invalid_id_lengths": map[string]any{"user_id": []any{3.0}},
		}},
		{"the first index of each field", true, map[string]any{
			"code": 400.0, "error": "Request missing required field",
			"events_with_missing_fields":     map[string]any{"event_type": []any{0.0}, "user_id": []any{2.0}},
			"events_with_invalid_fields":     map[string]any{"time": []any{4.0}},
			"events_with_invalid_id_lengths": map[string]any{"user_id": []any{3.0}},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := Fake{FirstIndexOnly: test.firstOnly}
			status, answer := send(t, &f, events...)
			require.Equal(t, 400, status)
			require.Equal(t, test.want, answer)
		})
	}
}

func TestIDsThatStandForNobodyAreRefused(t *testing.T) {
	t.Parallel()
	for _, id := range []string{
		"", "anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown", `\"\"`, "{}", "lmy47d", "0", "-1",
		"00000000-0000-0000-0000-000000000000", "Unknown", "NULL",
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			f := Fake{StripShortIDs: true}
			status, answer := send(t, &f, `{"user_id":"`+id+`","device_id":"d-1001","event_type":"x"}`)
			require.Equal(t, 400, status)
			require.Equal(t, map[string]any{"user_id": []any{0.0}}, answer["events_with_invalid_fields"])
			status, answer = send(t, &f, `{"user_id":"u-1001","device_id":"`+id+`","event_type":"x"}`)
			require.Equal(t, 400, status)
			require.Equal(t, map[string]any{"device_id": []any{0.0}}, answer["events_with_invalid_fields"])
		})
	}
}

func TestShortIDs(t *testing.T) {
	t.Parallel()
	both, alone := `{"user_id":"u1","device_id":"d-1001","event_type":"x"}`, `{"user_id":"u1","event_type":"x"}`
	refusal := map[string]any{
		"code": 400.0, "error": "Invalid id length for user_id or device_id",
		"events_with_invalid_id_lengths": map[string]any{"user_id": []any{0.0}},
	}
	for _, test := range []struct {
		name, event string
		strip       bool
		want        map[string]any
	}{
		{"refused beside another id", both, false, refusal},
		{"refused alone", alone, false, refusal},
		{"stripped beside another id", both, true, nil},
		{"not stripped to nothing", alone, true, refusal},
		{"five characters are enough, in any script", `{"user_id":"ÅÄÖåä","event_type":"x"}`, false, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := Fake{StripShortIDs: test.strip}
			status, answer := send(t, &f, test.event)
			if test.want != nil {
				require.Equal(t, test.want, answer)
				return
			}
			require.Equal(t, 200, status)
			if test.strip {
				require.Empty(t, f.Events()[0].UserID)
			}
		})
	}
	t.Run("min_id_length is the sender's to choose", func(t *testing.T) {
		t.Parallel()
		var f Fake
		body := `{"api_key":"test-key","options":{"min_id_length":%d},"events":[{"user_id":"u1","event_type":"x"}]}`
		status, _ := post(t, &f, pathHTTPV2, fmt.Sprintf(body, 2))
		require.Equal(t, 200, status)
		status, _ = post(t, &f, pathHTTPV2, fmt.Sprintf(body, 3))
		require.Equal(t, 400, status)
	})
}
