package amplitudetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestARepeatIsAcceptedAndIgnored(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, first, second string
		kept                int
	}{
		{"same insert_id, no device", `"user_id":"u-1001","insert_id":"i"`, `"user_id":"u-1001","insert_id":"i"`, 1},
		{"an absent device is one, whoever the user", `"user_id":"u-1001","insert_id":"i"`, `"user_id":"u-1002","insert_id":"i"`, 1},
		{"a null device is absent", `"user_id":"u-1001","insert_id":"i"`, `"user_id":"u-1001","device_id":null,"insert_id":"i"`, 1},
		{"same device", `"device_id":"d-1001","insert_id":"i"`, `"device_id":"d-1001","user_id":"u-1001","insert_id":"i"`, 1},
		{"another device", `"device_id":"d-1001","insert_id":"i"`, `"device_id":"d-1002","insert_id":"i"`, 2},
		{"a device where there was none", `"user_id":"u-1001","insert_id":"i"`, `"user_id":"u-1001","device_id":"d-1001","insert_id":"i"`, 2},
		{"another insert_id", `"user_id":"u-1001","insert_id":"i"`, `"user_id":"u-1001","insert_id":"j"`, 2},
		{"no insert_id", `"user_id":"u-1001"`, `"user_id":"u-1001"`, 2},
		{"an empty insert_id", `"user_id":"u-1001","insert_id":""`, `"user_id":"u-1001","insert_id":""`, 2},
	} {
		first, second := `{"event_type":"x",`+test.first+`}`, `{"event_type":"x",`+test.second+`}`
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var f Fake
			send(t, &f, first)
			status, answer := post(t, &f, pathBatch, `{"api_key":"test-key","events":[`+second+`]}`)
			require.Equal(t, 200, status)
			require.EqualValues(t, 1, answer["events_ingested"])
			require.Len(t, f.Events(), test.kept)
			require.Equal(t, 2-test.kept, f.Duplicates())
		})
		t.Run(test.name+", in one request", func(t *testing.T) {
			t.Parallel()
			var f Fake
			_, answer := send(t, &f, first, second)
			require.EqualValues(t, 2, answer["events_ingested"])
			require.Len(t, f.Events(), test.kept)
		})
	}
}

func TestAnInsertIDIsForgottenAfterSevenDays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f Fake
		event := `{"user_id":"u-1001","event_type":"x","insert_id":"i"}`
		send(t, &f, event)
		time.Sleep(7*24*time.Hour - time.Second)
		send(t, &f, event)
		require.Len(t, f.Events(), 1)
		time.Sleep(time.Second)
		send(t, &f, event)
		require.Len(t, f.Events(), 2, "the repeat in between did not make it longer")
	})
}

func TestTheClockCanBeSet(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	f := Fake{Now: func() time.Time { return now }}
	_, answer := send(t, &f, `{"user_id":"u-1001","event_type":"x","insert_id":"i"}`)
	require.EqualValues(t, now.UnixMilli(), answer["server_upload_time"])
	require.Equal(t, now, f.Events()[0].Time, "an event without a time gets that of its upload")
	require.Equal(t, now, f.Events()[0].Received)
	require.Equal(t, now, f.Requests()[0].Time)
	now = now.Add(7 * 24 * time.Hour)
	send(t, &f, `{"user_id":"u-1001","event_type":"x","insert_id":"i"}`)
	require.Len(t, f.Events(), 2)
}

func TestLongStringsAreCut(t *testing.T) {
	t.Parallel()
	var f Fake
	long := strings.Repeat("å", 1025)
	event := fmt.Sprintf(`{"user_id":%[1]q,"event_type":%[1]q,"user_agent":%[1]q,"event_properties":{"a":%[1]q,"b":[{"c":%[1]q}]}}`, long)
	status, _ := send(t, &f, event)
	require.Equal(t, 200, status)
	e, cut := f.Events()[0], strings.Repeat("å", 1024)
	require.Equal(t, cut, e.UserID)
	require.Equal(t, cut, e.EventType)
	require.Equal(t, map[string]any{"a": cut, "b": []any{map[string]any{"c": cut}}}, e.EventProperties)
	require.Equal(t, event, string(e.JSON), "JSON is what was sent")
	require.Equal(t, long, f.records[0].fields["user_agent"])
}

func TestGroupsPastTheLimitsAreNotTracked(t *testing.T) {
	t.Parallel()
	var f Fake
	send(t, &f,
		`{"user_id":"u-1001","event_type":"x","groups":{"a":"1","b":"2","c":"3","d":"4","e":"5","f":"6"}}`,
		`{"user_id":"u-1001","event_type":"x","groups":{"a":["1","2","3","4","5","6"],"b":["7","8","9","10","11"],"c":"12"}}`)
	require.Equal(t, map[string][]string{"a": {"1"}, "b": {"2"}, "c": {"3"}, "d": {"4"}, "e": {"5"}}, f.Events()[0].Groups)
	require.Equal(t, map[string][]string{"a": {"1", "2", "3", "4", "5", "6"}, "b": {"7", "8", "9", "10"}}, f.Events()[1].Groups)
}

func TestNumbersStayExactInTheJSON(t *testing.T) {
	t.Parallel()
	var f Fake
	send(t, &f, `{"user_id":"u-1001","event_type":"x","event_properties":{"id":9007199254740993}}`)
	require.Contains(t, string(f.Events()[0].JSON), "9007199254740993")
	require.Contains(t, exported(t, &f)[0], `"event_properties":{"id":9007199254740993}`)
}

func TestAnExposureIsRenamed(t *testing.T) {
	t.Parallel()
	var f Fake
	send(t, &f, `{"user_id":"u-1001","event_type":"$exposure"}`)
	require.Equal(t, "[Experiment] Exposure", f.Events()[0].EventType)
}

func TestWhatEventsReturnsIsTheCallersOwn(t *testing.T) {
	t.Parallel()
	var f Fake
	send(t, &f, `{"user_id":"u-1001","event_type":"x","event_properties":{"a":{"b":[1]}},"user_properties":{"plan":"gold"}}`)
	f.Events()[0].EventProperties["a"].(map[string]any)["b"].([]any)[0] = "changed"
	f.Events()[0].JSON[0] = 'X'
	f.UserProperties("u-1001")["plan"] = "changed"
	f.Requests()[0].Path = "changed"
	require.Equal(t, map[string]any{"a": map[string]any{"b": []any{1.0}}}, f.Events()[0].EventProperties)
	require.Equal(t, byte('{'), f.Events()[0].JSON[0])
	require.Equal(t, "gold", f.UserProperties("u-1001")["plan"])
	require.Equal(t, pathHTTPV2, f.Requests()[0].Path)
}

func TestOnEventTakesThePlaceOfEvents(t *testing.T) {
	t.Parallel()
	var got []string
	f := Fake{OnEvent: func(e Event) { got = append(got, e.InsertID) }}
	for _, id := range []string{"i-1", "i-2", "i-1"} {
		send(t, &f, `{"user_id":"u-1001","event_type":"x","insert_id":"`+id+`"}`)
	}
	send(t, &f, `{"user_id":"u-1001","event_type":"$identify","insert_id":"i-3","user_properties":{"plan":"gold"}}`)
	require.Equal(t, []string{"i-1", "i-2"}, got)
	require.Empty(t, f.Events())
	require.Equal(t, 1, f.Duplicates())
	require.Equal(t, "gold", f.UserProperties("u-1001")["plan"])
}

func TestManySendersAtOnce(t *testing.T) {
	t.Parallel()
	var f Fake
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			for i := range 20 {
				send(t, &f, fmt.Sprintf(`{"user_id":"user-%d","event_type":"x","insert_id":"%d-%d","user_properties":{"$add":{"n":1}}}`, n, n, i))
				f.Events()
				f.Requests()
				f.UserProperties("user-0")
				f.FailNext(200)
				f.Throttle("nobody")
				f.Release("nobody")
			}
		})
	}
	wg.Wait()
	require.Len(t, f.Events(), 160)
	require.Equal(t, 20.0, f.UserProperties("user-7")["n"])
}
