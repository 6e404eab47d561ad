package mapping_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

func TestSkipsAreErrorsAndLabels(t *testing.T) {
	t.Parallel()
	_, err := mapping.Rules{}.Event(payload(t, "emailSend-no-userid"), received)
	require.ErrorIs(t, err, mapping.ErrNoUserID)
	skip, ok := errors.AsType[mapping.Skip](err)
	require.True(t, ok)
	require.Equal(t, "no_user_id", string(skip))
	require.EqualError(t, err, "mapping: no user id")
	require.Equal(t, "mapping: no user id no_user_id", fmt.Sprint(skip, " ", string(skip)), "printed it is the sentence")
}

func TestUserIDsThatAmplitudeRefuses(t *testing.T) {
	t.Parallel()
	refused := []string{"anonymous", "nil", "none", "null", "n/a", "na", "undefined", "unknown",
		"00000000-0000-0000-0000-000000000000", "{}", "lmy47d", "0", "-1", "NULL", "Anonymous", "N/A", "LMY47D"}
	for _, id := range refused {
		_, err := mapping.Rules{}.Event(webhook.Event{Name: webhook.EmailOpen, UserID: id}, received)
		require.Equal(t, mapping.ErrRefusedUserID, err, id)
	}
	for _, id := range []string{"7", "00", " null", "Null ", "nullable", "u-0"} {
		e, err := mapping.Rules{}.Event(webhook.Event{Name: webhook.EmailOpen, UserID: id}, received)
		require.NoError(t, err, id)
		require.Equal(t, id, e.UserID, "the id goes out as it came")
	}
}

func TestUserIDOrEmail(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ userID, email, want string }{
		{"u-1", "a@b.example", "u-1"},
		{"", " Ada@Example.COM ", "ada@example.com"},
		{"", "x7@placeholder.email", ""},
		{"", "X7@Placeholder.Email", ""},
		{"u-1", "x7@placeholder.email", "u-1"},
		{"", "", ""},
		{"0", "a@b.example", "0"}, // refused afterwards: another id would split the user
	} {
		require.Equal(t, tt.want, mapping.UserIDOrEmail(webhook.Event{UserID: tt.userID, Email: tt.email}), tt)
	}
}

func TestFiltersComeBeforeTheUser(t *testing.T) {
	t.Parallel()
	nobody := webhook.Event{Name: webhook.EmailOpen}
	for name, r := range map[string]mapping.Rules{
		"Keep":      {Keep: func(webhook.Event) bool { return false }},
		"EventType": {EventType: func(webhook.Name) string { return "" }},
	} {
		_, err := r.Event(nobody, received)
		require.Equal(t, mapping.ErrFiltered, err, name)
	}
	for _, n := range []webhook.Name{"smsUsageInfo", "whatsAppUsageInfo", "unknownSession", "anonSession", "user", "purchase", "customEvent"} {
		_, err := mapping.Rules{}.Event(webhook.Event{Name: n, UserID: "u-1"}, received)
		require.Equal(t, mapping.ErrFiltered, err, n)
	}
}

func TestNamesOfEvents(t *testing.T) {
	t.Parallel()
	require.Equal(t, "[Iterable] emailClick", mapping.EventType(webhook.EmailClick))
	require.Equal(t, "[Iterable] Email Click", mapping.Label(webhook.EmailClick))
	require.Equal(t, "[Iterable] Email Unsubscribe", mapping.Label(webhook.EmailUnSubscribe))
	require.Equal(t, "[Iterable] rcsClick", mapping.Label("rcsClick"))
	require.Empty(t, mapping.Label("user"))
	for name := range outcomes {
		if n := webhook.Name(name); n.Known() {
			require.NotEqual(t, mapping.EventType(n), mapping.Label(n), "%s has a label", n)
		}
	}
}

func TestTimeIsThatOfTheEventOrOfReceipt(t *testing.T) {
	t.Parallel()
	e := webhook.Event{Name: webhook.EmailOpen, UserID: "u-1"}
	out, err := mapping.Rules{}.Event(e, received)
	require.NoError(t, err)
	require.Equal(t, received, out.Time)
	e.CreatedAt = received.Add(-time.Hour)
	out, err = mapping.Rules{}.Event(e, received)
	require.NoError(t, err)
	require.Equal(t, e.CreatedAt, out.Time)
	require.Nil(t, out.EventProperties)
}

func TestClientDataIsOfClicksByPeopleOnly(t *testing.T) {
	t.Parallel()
	r := mapping.Rules{ClientData: true}
	const client = `"ip":"203.0.113.45","userAgent":"Mozilla/5.0"`
	for _, tt := range []struct {
		name, more string
		sent       bool
	}{
		{"emailClick", ``, true},
		{"hostedUnsubscribeClick", `,"isBot":false,"proxySource":null`, true},
		{"smsClick", `,"proxySource":""`, true},
		{"whatsAppClick", ``, true},
		{"emailClick", `,"isBot":true`, false},
		{"emailClick", `,"proxySource":"Apple"`, false},
		{"emailOpen", ``, false},
		{"webPushClick", ``, false},
	} {
		in := parse(t, `{"userId":"u-1","eventName":"`+tt.name+`","dataFields":{`+client+tt.more+`}}`)
		out, err := r.Event(in, received)
		require.NoError(t, err)
		require.Equal(t, tt.sent, out.IP == "203.0.113.45" && out.UserAgent == "Mozilla/5.0", tt)
		require.NotContains(t, propertiesOf(t, out), "203.0.113.45")
		out, err = mapping.Rules{}.Event(in, received)
		require.NoError(t, err)
		require.Empty(t, out.IP+out.UserAgent)
	}
}

func TestPlatformIsOfInAppAndEmbeddedEvents(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, fields, platform, properties string }{
		{"inAppOpen", `{"deviceInfo":{"deviceId":"D","platform":"iOS","appPackageName":"com.example"}}`, "iOS", `{"appPackageName":"com.example"}`},
		{"embeddedClick", `{"deviceInfo.platform":"Web","deviceInfo.deviceId":"D","deviceInfo.appPackageName":"x"}`, "Web", `{"appPackageName":"x"}`},
		{"inAppOpen", `{"deviceInfo":{"platform":"iOS","model":"X","os":{"v":1}}}`, "iOS", `{"deviceInfo":{"model":"X","os":{"v":1}}}`},
		{"inAppOpen", `{"deviceInfo":{"platform":7}}`, "", ``},
		{"inAppOpen", `{"deviceInfo":"iPhone"}`, "", `{"deviceInfo":"iPhone"}`},
		{"pushOpen", `{"deviceInfo":{"platform":"iOS"}}`, "", ``},
	} {
		out, err := mapping.Rules{}.Event(parse(t, `{"userId":"u-1","eventName":"`+tt.name+`","dataFields":`+tt.fields+`}`), received)
		require.NoError(t, err)
		require.Equal(t, tt.platform, out.Platform, tt)
		require.Equal(t, tt.properties, propertiesOf(t, out), tt)
	}
}

func TestOwnPropertyFunc(t *testing.T) {
	t.Parallel()
	const fields = `{"campaignId":"7","emailSubject":"Hi","url":"https://a.example/?q","labels":[],"ip":"::1"}`
	var seen []string
	own := func(answer map[string]string) mapping.Rules {
		return mapping.Rules{Property: func(key string, v json.RawMessage) (string, json.RawMessage) {
			if to, ok := answer[key]; ok {
				name, value, _ := strings.Cut(to, "=")
				return name, json.RawMessage(value)
			}
			return key, v
		}}
	}
	seeing := mapping.Rules{Property: func(key string, v json.RawMessage) (string, json.RawMessage) {
		seen = append(seen, key+"="+string(v))
		return key, v
	}}
	require.Equal(t, `{"campaignId":7,"emailSubject":"Hi","url":"https://a.example/?q"}`, properties(t, seeing, webhook.EmailClick, fields))
	require.Equal(t, []string{`campaignId=7`, `emailSubject="Hi"`, `url="https://a.example/?q"`}, seen, "it sees what passed, in its type")

	long := strings.Repeat("é", 1025)
	for name, tt := range map[string]struct{ answer, want string }{
		"renamed":                  {`Subject "line"="Hi"`, `"Subject \"line\"":"Hi"`},
		"another value":            {`emailSubject= {"a":[1]} `, `"emailSubject":{"a":[1]}`},
		"a value that is too long": {`emailSubject="` + long + `"`, `"emailSubject":"` + long[:2048] + `"`},
		"dropped":                  {``, ``},
		"no value":                 {`emailSubject=`, ``},
		"null":                     {`emailSubject=null`, ``},
		"no JSON":                  {`emailSubject={"a":`, ``},
		"no UTF-8":                 {"emailSubject=\"\xff\"", ``},
		"two values":               {`emailSubject=1,"x":2`, ``},
	} {
		if tt.want != "" {
			tt.want = "," + tt.want
		}
		got := properties(t, own(map[string]string{"emailSubject": tt.answer}), webhook.EmailClick, fields)
		require.Equal(t, `{"campaignId":7`+tt.want+`,"url":"https://a.example/?q"}`, got, name)
	}
}

func TestIdentifyIsOffUnlessAskedFor(t *testing.T) {
	t.Parallel()
	on := mapping.Rules{Subscriptions: true}
	for _, name := range []string{"emailSubscribe", "emailUnSubscribe", "pushUninstall"} {
		_, ok := mapping.Rules{}.Identify(payload(t, name), received)
		require.False(t, ok, name)
		out, ok := on.Identify(payload(t, name), received)
		require.True(t, ok, name)
		require.Equal(t, "$identify", out.EventType)
		require.Equal(t, on.InsertID(payload(t, name))+"-id", out.InsertID)
	}
	_, ok := on.Identify(payload(t, "emailClick"), received)
	require.False(t, ok, "a click changes no subscription")
	on.Keep = func(webhook.Event) bool { return false }
	_, ok = on.Identify(payload(t, "emailSubscribe"), received)
	require.False(t, ok, "what is filtered changes nothing either")
	_, ok = mapping.Rules{Subscriptions: true}.Identify(webhook.Event{Name: webhook.EmailSubscribe}, received)
	require.False(t, ok, "nobody's subscription")
}

func TestIdentifyOperations(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, fields, want string }{
		{"emailSubscribe", `{"createdAt":"2026-05-05 10:02:00 +02:00","signupSource":"API","emailListIds":[2,1],"emailListId":"3","channelIds":[30511],"messageTypeIds":[44120]}`,
			`{"$set":{"iterable_last_signup_source":"API","iterable_subscription_changed_at":"2026-05-05T08:02:00"},"$postInsert":{"iterable_list_ids":["1","2","3"]},"$remove":{"iterable_unsubscribed_channel_ids":["30511"],"iterable_unsubscribed_message_type_ids":["44120"]}}`},
		{"emailSubscribe", `{"emailListIds":[]}`,
			`{"$set":{"iterable_subscription_changed_at":"2026-05-10T08:30:00"}}`},
		{"emailUnSubscribe", `{"unsubSource":"hardbounce","emailListIds":[1],"channelIds":[5],"messageTypeIds":[6]}`,
			`{"$set":{"iterable_last_unsub_source":"hardbounce","iterable_subscription_changed_at":"2026-05-10T08:30:00","iterable_email_blocked":true},"$remove":{"iterable_list_ids":["1"]},"$postInsert":{"iterable_unsubscribed_channel_ids":["5"],"iterable_unsubscribed_message_type_ids":["6"]}}`},
		{"pushUninstall", `{"createdAt":"2026-05-08 02:10:00 +00:00"}`,
			`{"$set":{"iterable_push_uninstalled_at":"2026-05-08T02:10:00"}}`},
	} {
		out, ok := mapping.Rules{Subscriptions: true}.Identify(parse(t, `{"userId":"u-1","eventName":"`+tt.name+`","dataFields":`+tt.fields+`}`), received)
		require.True(t, ok)
		b, err := json.Marshal(out.UserProperties)
		require.NoError(t, err)
		require.JSONEq(t, tt.want, string(b))
	}
}
