package conformance

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// tampered are good exchanges, by method and name, each made bad in one point.
var tampered = []struct {
	what, method, name string
	tamper             func(*exchange)
	err                string
}{
	{"a misspelt field", "Lists.Create", full, body("description", "descripton"), `property "descripton" is unsupported`},
	{"a misspelt field in a list", "Lists.Subscribe", full, body("preferUserId", "preferUserID"), `property "preferUserID" is unsupported`},
	{"an invented field of an event", "Events.TrackBulk", full, body(`"eventName"`, `"device":"x","eventName"`), `property "device" is unsupported`},
	{"a wrong type", "Lists.Subscribe", full, body("5000000001", `"5000000001"`), "value must be an integer"},
	{"a fraction for an id", "Events.Track", full, body(":9001", ":9001.5"), "value must be an integer"},
	{"null", "Users.Update", full, body(`"preferUserId":true`, `"preferUserId":null`), "not nullable"},
	{"an unknown value", "Users.RegisterDeviceToken", full, body(`"APNS"`, `"APN"`), "not one of the allowed values"},
	{"a missing field", "Lists.Create", full, body(`"name":"New",`, ""), `property "name" is missing`},
	{"a missing field of an event", "Events.TrackBulk", full, body(`"eventName":"purchase",`, ""), `property "eventName" is missing`},
	{"half a body", "Events.Track", full, body("}", ""), "failed to decode request body"},
	{"no body", "Events.Track", full, func(x *exchange) { x.body = nil }, "value is required but missing"},
	{"a body where there is none", "Subscriptions.Subscribe", minimal, func(x *exchange) { x.body = []byte("{}") }, "not allowed"},
	{"another content type", "Events.Track", full, func(x *exchange) { x.header.Set("Content-Type", "text/csv") }, "Content-Type"},
	{"no key", "Lists.List", minimal, func(x *exchange) { x.header.Del("Api-Key") }, "there is no key"},
	{"a key under another name", "Lists.List", minimal, func(x *exchange) { x.header = http.Header{"Api_key": {"k"}} }, "there is no key"},
	{"an unknown path", "Lists.List", minimal, target("/api/lists", "/api/list"), "no matching operation"},
	{"a slash too many", "Lists.List", minimal, target("/api/lists", "/api/lists/"), "no matching operation"},
	{"another host", "Lists.List", minimal, target("api.iterable.com", "api.example.com"), "no matching operation"},
	{"another method", "Lists.List", minimal, func(x *exchange) { x.method = "PUT" }, "method not allowed"},
	{"an id that is no number", "Lists.Size", minimal, target("5000000001", "vip"), "value vip: an invalid integer"},
	{"a misspelt parameter", "Users.Get", minimal, target("userId=", "userID="), `no parameter "userID"`},
	{"a parameter of another type", "Events.List", full, target("limit=200", "limit=all"), "an invalid integer"},
	{"a parameter beyond its bounds", "Events.List", full, target("limit=200", "limit=201"), "must be at most 200"},
	{"a missing parameter", "Lists.Members", full, target("listId", "preferUserId"), "value is required but missing"},
	{"another name for the operation", "Lists.Size", minimal, func(x *exchange) { x.op = "GET /api/lists/{id}/size" }, "the client calls it"},

	{"a misspelt field in a reply", "Lists.Create", full, reply("listId", "listID"), `property "listID" is unsupported`},
	{"an invented field in a reply", "Users.GetByEmail", minimal, reply(`"user":{`, `"user":{"plan":1,`), `property "plan" is unsupported`},
	{"a wrong type in a reply", "Lists.List", minimal, reply("5000000001", `"5000000001"`), "value must be an integer"},
	{"a missing field in a reply", "Lists.Subscribe", full, reply(`"failCount":0,`, ""), `property "failCount" is missing`},
	{"an unknown list of failures", "Lists.Subscribe", full, reply("conflictEmails", "failedEmails"), `property "failedEmails" is unsupported`},
	{"a list that repeats", "Lists.Subscribe", full, reply(`"createdFields":[`, `"createdFields":["a","a",`), "duplicate items"},
	{"an unknown code", "Lists.Delete", minimal, reply("Success", "Ok"), "not one of the allowed values"},
	{"an unknown code in a refusal", "Lists.Delete", "unknown", reply("BadParams", "BadParam"), "not one of the allowed values"},
	{"a refusal without a message", "Lists.Delete", "unknown", reply(`"msg"`, `"message"`), `property "msg" is missing`},
	{"a status that is not declared", "Lists.List", minimal, func(x *exchange) { x.status = 418 }, "status is not supported"},
	{"text for JSON", "Lists.List", minimal, func(x *exchange) { x.answer.Set("Content-Type", "text/plain") }, "Content-Type"},
	{"JSON for text", "Lists.Size", minimal, func(x *exchange) { x.answer.Set("Content-Type", "application/json") }, "Content-Type"},
	{"a page", "Lists.Delete", "unknown", func(x *exchange) { x.answer.Set("Content-Type", "text/html") }, "Content-Type"},
}

func TestATamperedExchangeIsCaught(t *testing.T) {
	t.Parallel()
	all, err := traffic()
	require.NoError(t, err)
	for _, bad := range tampered {
		t.Run(bad.what, func(t *testing.T) {
			i := slices.IndexFunc(all, func(x exchange) bool { return x.use.method == bad.method && x.use.name == bad.name })
			require.GreaterOrEqual(t, i, 0)
			require.NoError(t, truth().check(all[i]))
			x := all[i]
			x.header, x.answer = x.header.Clone(), x.answer.Clone()
			bad.tamper(&x)
			require.NotEqual(t, all[i], x)
			require.ErrorContains(t, truth().check(x), bad.err)
		})
	}
}

func body(old, new string) func(*exchange) {
	return func(x *exchange) { x.body = bytes.Replace(x.body, []byte(old), []byte(new), 1) }
}

func target(old, new string) func(*exchange) {
	return func(x *exchange) { x.url = strings.Replace(x.url, old, new, 1) }
}

func reply(old, new string) func(*exchange) {
	return func(x *exchange) { x.reply = bytes.Replace(x.reply, []byte(old), []byte(new), 1) }
}
