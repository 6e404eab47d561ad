package amplitude

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/internal/rest"
)

func fiveItems() []item {
	return []item{
		{index: 10, user: "user-0", device: "dev-0"}, {index: 11, user: "user-1"}, {index: 12, user: "user-2"},
		{index: 13, device: "dev-3"}, {index: 14, user: "user-1"},
	}
}

func TestEveryAnswerHasAnOutcome(t *testing.T) {
	t.Parallel()
	const html = "<html><body>413 Request Entity Too Large</body></html>"
	none := []Reason{"", "", "", "", ""}
	for _, tt := range []struct {
		name   string
		status int
		body   string
		kind   outcomeKind
		reason Reason
		named  []Reason
	}{
		{"accepted", 200, `{"code":200,"events_ingested":5,"payload_size_bytes":611,"server_upload_time":1}`, accepted, "", nil},
		{"fewer ingested than sent", 200, `{"code":200,"events_ingested":4}`, unnamed, ReasonInvalid, nil},
		{"none ingested", 200, `{"code":200,"events_ingested":0}`, unnamed, ReasonInvalid, nil},
		{"200 without the count", 200, `{"code":200}`, whole, ReasonAmbiguous, nil},
		{"200 null count", 200, `{"events_ingested":null}`, whole, ReasonAmbiguous, nil},
		{"200 HTML", 200, html, whole, ReasonAmbiguous, nil},
		{"200 empty", 200, "", whole, ReasonAmbiguous, nil},
		{"200 cut short", 200, `{"code":200,"events_ing`, whole, ReasonAmbiguous, nil},
		{"200 null", 200, `null`, whole, ReasonAmbiguous, nil},
		{"200 list", 200, `[]`, whole, ReasonAmbiguous, nil},
		{"202", 202, `{"events_ingested":5}`, whole, ReasonAmbiguous, nil},
		{"redirect", 302, "", whole, ReasonRefused, nil},
		{"missing fields", 400, `{"code":400,"error":"Request missing required field","events_with_missing_fields":{"event_type":[1]}}`,
			named, "", []Reason{"", ReasonInvalid, "", "", ""}},
		{"invalid fields", 400, `{"code":400,"error":"Invalid field values on some events","events_with_invalid_fields":{"time":[0,3],"price":[3]}}`,
			named, "", []Reason{ReasonInvalid, "", "", ReasonInvalid, ""}},
		{"id lengths", 400, `{"code":400,"error":"Invalid id length for user_id or device_id","events_with_invalid_id_lengths":{"user_id":[4]}}`,
			named, "", []Reason{"", "", "", "", ReasonInvalid}},
		{"silenced by event", 400, `{"code":400,"error":"Events silenced for device_id","silenced_events":[2]}`,
			named, "", []Reason{"", "", ReasonSilenced, "", ""}},
		{"silenced by device", 400, `{"code":400,"error":"Events silenced for device_id","silenced_devices":["dev-3"],"silenced_events":[]}`,
			named, "", []Reason{"", "", "", ReasonSilenced, ""}},
		{"indexes out of the request", 400, `{"code":400,"error":"Invalid event JSON","events_with_invalid_fields":{"time":[-1,5,99999999999,1.5,"2",null]}}`,
			unnamed, ReasonInvalid, nil},
		{"one field of another type does not cost the others", 400, `{"code":"x","error":"Invalid event JSON","silenced_events":"all","events_with_invalid_fields":[1],"events_with_missing_fields":{"event_type":[0]}}`,
			named, "", []Reason{ReasonInvalid, "", "", "", ""}},
		{"400 that names nothing", 400, `{"code":400,"error":"Invalid field values on some events"}`, unnamed, ReasonInvalid, nil},
		{"bad key", 400, `{"code":400,"error":"Invalid API key: abc"}`, whole, ReasonRefused, nil},
		{"missing request field", 400, `{"code":400,"error":"Request missing required field","missing_field":"api_key"}`, whole, ReasonRefused, nil},
		{"wrong path", 400, `{"code":400,"error":"Invalid request path"}`, whole, ReasonRefused, nil},
		{"400 HTML", 400, html, whole, ReasonRefused, nil},
		{"400 empty", 400, "", whole, ReasonRefused, nil},
		{"400 of somebody else", 400, `{"message":"no"}`, whole, ReasonRefused, nil},
		{"401", 401, "", whole, ReasonRefused, nil},
		{"firewall", 403, `{"code":403,"error":"Forbidden"}`, whole, ReasonRefused, nil},
		{"404", 404, "", whole, ReasonRefused, nil},
		{"408", 408, "", whole, ReasonAmbiguous, nil},
		{"413 JSON", 413, `{"code":413,"error":"Payload too large"}`, unnamed, ReasonTooLarge, nil},
		{"413 HTML", 413, html, unnamed, ReasonTooLarge, nil},
		{"throttled user", 429, `{"code":429,"error":"Too many requests for some devices and users","eps_threshold":30,"throttled_users":{"user-2":41},"throttled_events":[2]}`,
			named, "", []Reason{"", "", ReasonThrottled, "", ""}},
		{"a throttled event holds back its user's others", 429, `{"code":429,"error":"x","throttled_events":[1]}`,
			named, "", []Reason{"", ReasonThrottled, "", "", ReasonThrottled}},
		{"throttled device", 429, `{"code":429,"error":"x","throttled_devices":{"dev-0":44}}`,
			named, "", []Reason{ReasonThrottled, "", "", "", ""}},
		{"quota wins over throttling", 429, `{"code":429,"error":"x","exceeded_daily_quota_users":{"user-1":500412},"throttled_events":[1,4,0]}`,
			named, "", []Reason{ReasonThrottled, ReasonQuota, "", "", ReasonQuota}},
		{"quota of a device", 429, `{"code":429,"error":"x","exceeded_daily_quota_devices":{"dev-3":500001}}`,
			named, "", []Reason{"", "", "", ReasonQuota, ""}},
		{"quota as a number", 429, `{"code":429,"error":"x","exceeded_daily_quota_devices":3}`, whole, ReasonRefused, nil},
		{"bare 429", 429, `{"code":429,"error":"Too many requests"}`, whole, ReasonRefused, nil},
		{"429 empty", 429, "", whole, ReasonRefused, nil},
		{"500", 500, "", whole, ReasonAmbiguous, nil},
		{"502", 502, html, whole, ReasonAmbiguous, nil},
		{"503, after which nothing is stored", 503, "", whole, ReasonRefused, nil},
		{"504", 504, "", whole, ReasonAmbiguous, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o := judge(&rest.Response{StatusCode: tt.status, Body: []byte(tt.body), Op: "POST /batch"}, nil, fiveItems())
			require.Equal(t, tt.kind, o.kind)
			require.Equal(t, tt.reason, o.reason)
			if tt.kind == accepted {
				require.NoError(t, o.err)
				return
			}
			require.Error(t, o.err)
			want, got := tt.named, none
			if o.named != nil {
				got = nil
				for _, v := range o.named {
					got = append(got, v.reason)
				}
			}
			if want == nil {
				want = none
			}
			require.Equal(t, want, got)
		})
	}
}

func TestErrorKinds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  Error
		kind error
	}{
		{Error{StatusCode: 401}, ErrUnauthorized},
		{Error{StatusCode: 400, Message: "Invalid API key: x"}, ErrUnauthorized},
		{Error{StatusCode: 404}, ErrNotFound},
		{Error{StatusCode: 429}, ErrRateLimited},
		{Error{StatusCode: 502}, ErrAmbiguous},
		{Error{StatusCode: 403}, nil},
		{Error{StatusCode: 503, Op: "POST /batch"}, nil},
		{Error{StatusCode: 503, Op: "POST /api/2/release"}, ErrAmbiguous},
	} {
		for _, kind := range []error{ErrUnauthorized, ErrNotFound, ErrRateLimited, ErrAmbiguous} {
			require.Equal(t, kind == tt.kind, tt.err.Is(kind), "%v is %v", tt.err.StatusCode, kind)
		}
	}
}

func TestMessagesShowNoKeysAndIDs(t *testing.T) {
	t.Parallel()
	require.Equal(t, "the text", messageOf([]byte(`{"error":"the text"}`)))
	require.Equal(t, "the text", messageOf([]byte(`{"error":{"message":"the text","http_code":400}}`)))
	require.Equal(t, "the text", messageOf([]byte(`{"message":"the text","code":403}`)))
	require.Empty(t, messageOf([]byte("<html>user-1</html>")))
	require.Equal(t, "a field", fieldName("user-canary"))
	require.Equal(t, "event_type", fieldName("event_type"))
}

func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		`{"code":400,"error":"x","events_with_invalid_fields":{"time":[0,3]}}`, `{"events_ingested":5}`,
		`{"silenced_devices":["dev-3"],"throttled_users":{"user-1":1}}`, `null`, `[]`, `{"exceeded_daily_quota_users":[1]}`,
	} {
		for _, status := range []int{200, 400, 413, 429, 500} {
			f.Add(status, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		items := fiveItems()
		o := judge(&rest.Response{StatusCode: status, Body: body, Header: http.Header{}}, nil, items)
		switch o.kind {
		case accepted:
			require.Equal(t, 200, status)
		case named:
			require.Len(t, o.named, len(items))
			some := false
			for _, v := range o.named {
				some = some || v.reason != ""
			}
			require.True(t, some, "a named outcome names an event")
		default:
			require.NotEmpty(t, o.reason)
		}
		require.Equal(t, o.kind == accepted, o.err == nil)
		_ = fmt.Sprint(o.err)
	})
}
