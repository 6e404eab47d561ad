package mapping_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

// hashed is the insert_id of a material, by the book.
func hashed(material string) string {
	sum := sha256.Sum256([]byte(material))
	return "itbl1-" + hex.EncodeToString(sum[:])[:40]
}

// material frames alternating names and values.
func material(parts ...string) string {
	var b strings.Builder
	for _, p := range append([]string{"itbl1"}, parts...) {
		fmt.Fprintf(&b, "%d:%s,", len(p), p)
	}
	return b.String()
}

func insertID(t testing.TB, body string) string {
	t.Helper()
	return mapping.Rules{}.InsertID(parse(t, body))
}

func TestInsertIDIsTheHashOfTheMaterial(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"emailSend-blast":          `5:itbl1,9:emailSend,9:messageId,32:5b1f0c6e2d9a4f7788c1a3e5d7f90b24,`,
		"pushOpen":                 `5:itbl1,8:pushOpen,7:subject,24:e:ben.okafor@example.org,10:campaignId,6:413010,9:createdAt,10:1778072640,`,
		"emailUnSubscribe-listapi": `5:itbl1,16:emailUnSubscribe,7:subject,24:e:ben.okafor@example.org,9:createdAt,10:1777983660,11:unsubSource,7:ListAPI,5:lists,7:3301945,8:channels,0:,`,
	} {
		require.Equal(t, hashed(want), mapping.Rules{}.InsertID(payload(t, name)), name)
	}
}

func TestInsertIDFallsBack(t *testing.T) {
	t.Parallel()
	const at = `"createdAt":"2026-05-06 13:04:00 +00:00"`
	for name, tt := range map[string]struct{ body, material string }{
		"a send without message id is told by user, campaign and time": {
			`{"email":" Ben@Example.ORG ","eventName":"pushSend","dataFields":{` + at + `,"campaignId":"413010"}}`,
			material("pushSend", "subject", "e:ben@example.org", "campaignId", "413010", "createdAt", "1778072640"),
		},
		"others put the same in front of their own": {
			`{"userId":"u-1","eventName":"embeddedClick","dataFields":{` + at + `,"campaignId":7,"embeddedButtonId":""}}`,
			material("embeddedClick", "subject", "u:u-1", "campaignId", "7", "createdAt", "1778072640",
				"subject", "u:u-1", "createdAt", "1778072640", "embeddedButtonId", ""),
		},
		"a read receipt without the id of the message": {
			`{"userId":"u-1","eventName":"whatsAppSeen","dataFields":{` + at + `}}`,
			material("whatsAppSeen", "subject", "u:u-1", "campaignId", "", "createdAt", "1778072640"),
		},
		"a read receipt needs no time": {
			`{"userId":"u-1","eventName":"whatsAppSeen","dataFields":{"seenMessageId":"m-1"}}`,
			material("whatsAppSeen", "seenMessageId", "m-1"),
		},
		"a send needs no time": {
			`{"userId":"u-1","eventName":"smsSendSkip","dataFields":{"messageId":"m-1","createdAt":"soon"}}`,
			material("smsSendSkip", "messageId", "m-1"),
		},
		"without a time the whole body counts": {
			`{"userId":"u-1","eventName":"emailOpen","dataFields":{"messageId":"m-1","createdAt":null,"b":[1.50,{"z":0,"a":"\u00e9\u2028/"}],"itblInternal.x":1,"itblInternal":{}}}`,
			material("emailOpen", "subject", "u:u-1", "body", `{"b":[1.50,{"a":"é`+"\u2028"+`/","z":0}],"createdAt":null,"messageId":"m-1"}`),
		},
		"so it does for names that are not known": {
			`{"eventName":"faxReceived","dataFields":{"b":1,"a":2,"b":3}}`,
			material("faxReceived", "subject", "", "body", `{"a":2,"b":3}`),
		},
		"no dataFields count as empty ones": {
			`{"userId":"u-1","eventName":"inAppSendSkip","dataFields":null}`,
			material("inAppSendSkip", "subject", "u:u-1", "body", `{}`),
		},
		"half a surrogate pair counts as U+FFFD": {
			`{"eventName":"smsClick","dataFields":{"messageId":"\ud83d",` + at + `,"clickedUrl":"a\ude00b"}}`,
			material("smsClick", "messageId", "\uFFFD", "createdAt", "1778072640", "clickedUrl", "a\uFFFDb"),
		},
		"of equal keys the last counts": {
			`{"eventName":"smsClick","dataFields":{"messageId":"m-1","messageId":"m-2","clickedUrl":"x",` + at + `,"clicked\u0055rl":null}}`,
			material("smsClick", "messageId", "m-2", "createdAt", "1778072640", "clickedUrl", ""),
		},
		"lists are sorted as numbers, once each": {
			`{"email":"a@b.example","eventName":"emailSubscribe","dataFields":{` + at + `,"signupSource":"API","emailListIds":[100,"9",100,20],"emailListId":3}}`,
			material("emailSubscribe", "subject", "e:a@b.example", "createdAt", "1778072640", "signupSource", "API", "lists", "3,9,20,100"),
		},
	} {
		require.Equal(t, hashed(tt.material), insertID(t, tt.body), name)
	}
}

func TestInsertIDsThatMustAgree(t *testing.T) {
	t.Parallel()
	for _, names := range [][]string{
		{"emailSend-createdat-iso", "emailSend-createdat-mangled", "emailSend-createdat-epoch-ms",
			"emailSend-createdat-epoch-s", "emailSend-createdat-nocolon", "emailSend-createdat-nozone"},
		{"emailUnSubscribe", "emailUnsubscribe-lowercase-s"},
		{"pushOpen", "pushOpen-messageid"},
		{"whatsAppReceived", "whatsAppReceived-dotted"},
		{"pushSend", "pushSend-deeplink"}, // one message to two devices: accepted
	} {
		for _, name := range names[1:] {
			require.Equal(t, mapping.Rules{}.InsertID(payload(t, names[0])), mapping.Rules{}.InsertID(payload(t, name)), name)
		}
	}
}

func TestAllOtherInsertIDsDiffer(t *testing.T) {
	t.Parallel()
	same := map[string]string{
		"emailUnsubscribe-lowercase-s": "emailUnSubscribe", "pushOpen-messageid": "pushOpen",
		"whatsAppReceived-dotted": "whatsAppReceived", "pushSend-deeplink": "pushSend",
	}
	seen := make(map[string]string)
	for name, body := range iterabletest.Payloads() {
		e, err := webhook.Parse(body)
		if err != nil || same[name] != "" || strings.HasPrefix(name, "emailSend-createdat-") {
			continue
		}
		id := mapping.Rules{}.InsertID(e)
		require.Empty(t, seen[id], "%s has the insert_id of another payload", name)
		seen[id] = name
	}
}

func TestExportRowsGetTheInsertIDOfTheirWebhook(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ kind, fields, payload string }{
		{"emailSend", `{"createdAt":"2026-05-04 07:31:12 +00:00","campaignId":412077,"templateId":583310,"messageId":"5b1f0c6e2d9a4f7788c1a3e5d7f90b24","email":"ada.lindqvist@example.com","transactionalData":"{}"}`, "emailSend-blast"},
		{"pushOpen", `{"createdAt":"2026-05-06 13:04:00 +00:00","campaignId":413010,"templateId":584200,"messageId":"5e6f708192a3b4c5d6e7f80910213243","email":"ben.okafor@example.org","appAlreadyRunning":false}`, "pushOpen"},
		{"emailUnSubscribe", `{"createdAt":"2026-05-05 12:20:30 +00:00","campaignId":412077,"messageId":"4d5e6f708192a3b4c5d6e7f809102132","email":"ben.okafor@example.org","unsubSource":"EmailLink","channelIds":[30511],"emailListIds":[]}`, "emailUnSubscribe"},
		{"smsReceived", `{"createdAt":"2026-05-06 14:11:00 +00:00","email":"ada.lindqvist@example.com","fromPhoneNumber":"+12025550123","toPhoneNumber":"+12025550199","smsMessage":"Where is it?","espName":"Twilio"}`, "smsReceived"},
	} {
		got := insertID(t, `{"eventName":"`+row.kind+`","dataFields":`+row.fields+`}`)
		require.Equal(t, mapping.Rules{}.InsertID(payload(t, row.payload)), got, row.kind)
	}
}

func TestInsertIDDependsOnNoRuleButTheNamespace(t *testing.T) {
	t.Parallel()
	in := payload(t, "emailClick")
	want := mapping.Rules{}.InsertID(in)
	r := mapping.Rules{
		UserID:    mapping.UserIDOrEmail,
		EventType: mapping.Label,
		Classes:   mapping.Campaign | mapping.Personal | mapping.Content,
		CutQuery:  true, ClientData: true, Subscriptions: true,
		Property: func(string, json.RawMessage) (string, json.RawMessage) { return "", nil },
	}
	got, err := r.Event(in, received.AddDate(0, 0, 1))
	require.NoError(t, err)
	require.Equal(t, want, got.InsertID)

	require.Equal(t,
		hashed(material("emailSend", "messageId", "5b1f0c6e2d9a4f7788c1a3e5d7f90b24", "namespace", "shop")),
		mapping.Rules{Namespace: "shop"}.InsertID(payload(t, "emailSend-blast")))
}

// Shuffling the keys of a webhook, at every depth, changes nothing.
func TestInsertIDDoesNotDependOnTheOrderOfKeys(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(1, 2))
	for name, body := range iterabletest.Payloads() {
		e, err := webhook.Parse(body)
		if err != nil {
			continue
		}
		for range 5 {
			var v any
			dec := json.NewDecoder(strings.NewReader(string(body)))
			dec.UseNumber()
			require.NoError(t, dec.Decode(&v))
			shuffled := string(shuffle(rnd, nil, v))
			require.Equal(t, mapping.Rules{}.InsertID(e), insertID(t, shuffled), "%s: %s", name, shuffled)
		}
	}
}

// shuffle appends v as JSON with its keys in a random order.
func shuffle(rnd *rand.Rand, dst []byte, v any) []byte {
	switch v := v.(type) {
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		rnd.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		dst = append(dst, '{')
		for i, k := range keys {
			if i > 0 {
				dst = append(dst, ',', ' ')
			}
			dst = shuffle(rnd, append(shuffle(rnd, dst, k), ':'), v[k])
		}
		return append(dst, '}')
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = shuffle(rnd, dst, e)
		}
		return append(dst, ']')
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return append(dst, b...)
}

// A sender chooses the shape: none may cost much more memory than its bytes.
func TestInsertIDOfHostileShapesTakesLittleMemory(t *testing.T) { // not parallel: it counts the process's memory
	const size = 1 << 20
	fill := func(part string) string { return strings.Repeat(part, size/len(part)) }
	for name, fields := range map[string]string{
		"numbers":  `{"a":[` + fill(`1,`) + `1]}`,
		"empty":    `{"a":[` + fill(`{},`) + `1]}`,
		"objects":  `{"a":[` + fill(`{"":1},`) + `1]}`,
		"nested":   `{"a":[` + fill(`{"":{"":1}},`) + `1]}`,
		"equal":    `{` + fill(`"":1,`) + `"b":1}`,
		"escapes":  `{` + fill(`"\u0061":1,`) + `"b":1}`,
		"no colon": `{"a":"` + fill(`{\":`) + `"}`,
	} {
		e := parse(t, `{"userId":"u-1","eventName":"nobodyKnows","dataFields":`+fields+`}`)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		mapping.Rules{}.InsertID(e)
		runtime.ReadMemStats(&after)
		times := float64(after.TotalAlloc-before.TotalAlloc) / float64(len(fields))
		t.Logf("%s: %.1f times the input", name, times)
		require.Less(t, times, 10.0, name)
	}
}
