package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// JSON that is malformed, and JSON that only looks it. What is taken arrives byte for
// byte, but for the rules that mapping documents.
func TestF16(t *testing.T) {
	// Each run has a dozen bodies; the fuzz tests of the packages go on from there.
	eachInBubble(t, "F16", "malformed and tricky JSON", counts{100, 2_500, 50_000}, func(t *testing.T, rng *rand.Rand) {
		s := newSite(t)
		taken := make(map[int]trickyBody)
		refused := 0
		for i := range 12 {
			n := s.ledger.draw()
			b := anyBody(rng, n, i%3 == 0)
			code := s.postAs(n, b.body)
			if b.refused {
				require.Equal(t, http.StatusBadRequest, code, "%s: %.300q", b.what, b.body)
				refused++
				continue
			}
			require.Equal(t, http.StatusOK, code, "%s: %.300q", b.what, b.body)
			taken[n] = b
		}
		require.NotZero(t, refused)
		require.NotEmpty(t, taken)
		for begun := time.Now(); s.queue.Waiting() > 0 && time.Since(begun) < time.Hour; {
			time.Sleep(time.Second)
		}
		for _, e := range s.fake.Events() {
			id, _ := e.EventProperties["messageId"].(string)
			n := number(id)
			require.Contains(t, taken, n)
			var event struct {
				Properties json.RawMessage `json:"event_properties"`
			}
			require.NoError(t, json.Unmarshal(e.JSON, &event))
			if got := string(event.Properties); got != taken[n].properties {
				at := 0
				for at < min(len(got), len(taken[n].properties)) && got[at] == taken[n].properties[at] {
					at++
				}
				require.Fail(t, "altered", "%s, from byte %d: %.100q instead of %.100q", taken[n].what, at, got[at:], taken[n].properties[at:])
			}
			require.Equal(t, user(n), e.UserID)
			delete(taken, n)
		}
		for _, l := range s.letters.List() { // which Amplitude could not read, or not as a whole
			for n, b := range taken {
				if string(b.body) == string(l.Webhook) {
					require.True(t, b.unreadable, "%s is a letter: %s", b.what, l.Reason)
					delete(taken, n)
				}
			}
		}
		require.Empty(t, taken, "what was answered 200 is gone")
	})
}

// trickyBody is a webhook, and the properties that it should become.
type trickyBody struct {
	what       string
	body       []byte
	properties string
	refused    bool
	unreadable bool // by an Amplitude that keeps numbers as float64
}

func anyBody(rng *rand.Rand, n int, spoiled bool) trickyBody {
	b := trickyBody{}
	fields, properties := []string{fmt.Sprintf(`"messageId":"m-%d"`, n)}, []string{fmt.Sprintf(`"messageId":"m-%d"`, n)}
	for range 1 + rng.IntN(4) {
		f := anyField(rng)
		b.what += f.what + "; "
		b.unreadable = b.unreadable || f.unreadable
		fields = append(fields, f.in)
		if f.out != "" {
			properties = append(properties, f.out)
		}
	}
	space := pick(rng, "", "", " ", "\n\t ", "\r\n")
	data := "{" + space + strings.Join(fields, space+","+space) + space + "}"
	name := pick(rng, `"eventName":"emailClick"`, `"event\u004eame":"emailClick"`, `"eventName":"first","eventName":"emailClick"`, `"EventName":"other","eventName":"emailClick"`, `"eventName":"email\u0043lick"`)
	b.body = fmt.Appendf(nil, `%s{%[1]s"email":"%s@example.com",%s,"userId":%q,"dataFields":%s%[1]s}%[1]s`, space, user(n), name, user(n), data)
	b.properties = "{" + strings.Join(properties, ",") + "}"
	if spoiled {
		b.what, b.body = spoil(rng, b.body, name, data)
		b.refused = true
	}
	return b
}

// spoil makes a body that is no system webhook out of one that is.
func spoil(rng *rand.Rand, body []byte, name, data string) (what string, spoiled []byte) {
	text := string(body)
	replaced := func(what, old, with string) (string, []byte) {
		return what + " " + with, []byte(strings.Replace(text, old, with, 1))
	}
	dataIs := func(value string) (string, []byte) {
		return replaced("dataFields is", `"dataFields":`+data, `"dataFields":`+value)
	}
	field := func(value string) (string, []byte) {
		return replaced("a field is", `{"email":`, `{"x":`+value+`,"email":`)
	}
	text = strings.TrimSpace(text)
	text = "{" + strings.TrimLeft(text[1:], " \r\n\t")
	switch rng.IntN(12) {
	case 0:
		return "cut", []byte(text[:rng.IntN(len(text))])
	case 1:
		return "behind it", []byte(text + pick(rng, "x", "{}", "\x00", "]", "null", ",", "\ufeff", "{}{}"))
	case 2:
		return "in front of it", []byte(pick(rng, "\ufeff", "\xff\xfe", "\x00", "x", "[", ",", "\v", "\u00a0", ")]}'\n") + text)
	case 3:
		return replaced("name", name, pick(rng, `"eventName":""`, `"eventName":null`, `"eventName":7`, `"eventName":["emailClick"]`, `"EventName":"emailClick"`, `"eventName":"emailClick","eventName":null`, `"a":1`))
	case 4:
		return dataIs(pick(rng, `[]`, `"x"`, `7`, `true`, `[`+data+`]`, `"`+strings.ReplaceAll(strings.ReplaceAll(data, `\`, `\\`), `"`, `\"`)+`"`))
	case 5:
		return field(pick(rng, `01`, `-`, `+1`, `.5`, `1.`, `1e`, `0x10`, `NaN`, `Infinity`, `-Infinity`, `1_000`, `--1`, `00`, `1e+`, "\u0661"))
	case 6:
		return field(pick(rng, "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf5\x80\x80\x80\"", "\"a\xc3\"", "\"\xe2\x82\"", "{\"\xff\":1}"))
	case 7:
		return field(pick(rng, "\"a\nb\"", "\"\x00\"", "\"\x1f\"", `"\x41"`, `"\u12"`, `"\u00g0"`, `"\`, `"a`, `'a'`, `"\a"`, "\"\t\""))
	case 8:
		return field(pick(rng, `[1,]`, `{"a":1,}`, `[,1]`, `{"a"}`, `{a:1}`, `{"a":}`, `[1 2]`, `{"a":1 "b":2}`, `{1:2}`, `[1}`, `/**/1`, `undefined`, `True`, `nul`, `{"a"::1}`))
	case 9:
		depth := pick(rng, 10_000, 10_001, 20_000, 100_000) // inside of an object
		return field(strings.Repeat("[", depth) + strings.Repeat("]", depth))
	case 10:
		return "no object", []byte(pick(rng, "", " ", "null", "[]", "7", `"x"`, "["+text+"]", "true", "{", "\x00", "<html></html>", "a=b&c=d"))
	}
	return replaced("a colon", `"email":`, pick(rng, `"email"`, `"email";`, `"email"=`, `email:`, `'email':`))
}

// trickyField is a member of dataFields, and the property that it should become: none
// if that is "".
type trickyField struct {
	what, in, out string
	unreadable    bool
}

func anyField(rng *rand.Rand) trickyField {
	same := func(what, in string) trickyField { return trickyField{what: what, in: in, out: in} }
	key := pick(rng, `"x"`, `"X"`, `"a b"`, `"userID"`, `"MESSAGEID"`, `"Email"`, `"createdat"`, `"\u0078"`, `"x\u0000"`, `"\ud800"`, `"$set"`, `"__proto__"`, `"é"`, `"e\u0301"`, `""`, `"a\/b"`, `"\ud83d\ude00"`, "\"\u2028\"", `"`+strings.Repeat("k", 3000)+`"`)
	keyed := func(what, in, out string) trickyField {
		f := trickyField{what: what, in: key + ":" + in}
		if out != "" {
			f.out = key + ":" + out
		}
		return f
	}
	switch rng.IntN(12) {
	case 0:
		v := pick(rng, "-0", "-0.0", "9007199254740993", "-9007199254740993", strings.Repeat("7", 40), "18446744073709551616", "1E+2", "1.0", "0.10", "1e-400", "123456789.123456789123456789", "0e0", "0.1e+0010", strings.Repeat("9", 300))
		return keyed("a number", v, v)
	case 1:
		v := pick(rng, "1e400", "-1e400", strings.Repeat("9", 5000), "1e999999999")
		f := keyed("a number past float64", v, v)
		f.unreadable = true
		return f
	case 2:
		v := pick(rng, `"\ud800"`, `"\udc00\ud800"`, `"\u0000"`, `"\/\b\f\n\r\t\"\\"`, `"\u00e9\u00E9é"`, "\"\u2028\u2029\"", "\"\x7f\"", `"\ud83d\ude00😀"`, `""`, `" "`, "\"\ufeff\"", "\"\uffff\"", `"<script>&"`, `"007"`, `"1e400"`, `"null"`)
		return keyed("a text", v, v)
	case 3:
		unit := pick(rng, "a", "é", "€")
		length := pick(rng, 1023, 1024, 1025, 2000, 60_000)
		return keyed("a long text", `"`+strings.Repeat(unit, length)+`"`, `"`+strings.Repeat(unit, min(length, 1024))+`"`)
	case 4:
		depth, kept := pick(rng, 1, 2, 38, 39, 40, 41, 1000, 9_998), 0
		if kept = min(depth, 39); depth <= 39 {
			return keyed("nested", nested(depth, "1"), nested(depth, "1"))
		}
		return keyed("nested too deep", nested(depth, "1"), nested(kept, ""))
	case 5:
		v := pick(rng, `[ 1 ,  2 ]`, "{\n\"a\" : [ { } , null ] }", `[null,[],{}]`, `{"a":1,"a":2}`, `{"A":1,"a":2}`, `[1e5,-0,"\ud800"]`, `{"":{"":""}}`, "[\t\"x\"\r]")
		return keyed("a container", v, v)
	case 6:
		v := pick(rng, `null`, `[]`, `{}`, `[ ]`, "{\n}")
		return keyed("nothing", v, "")
	case 7:
		return same("equal keys", `"x":1,"x":2,"x":"1"`)
	case 8:
		return same("keys of other case", `"campaignid":1,"CampaignId":2,"campaignId":3`)
	case 9:
		count := 1 + rng.IntN(2_000)
		list := make([]string, count)
		for i := range list {
			list[i] = fmt.Sprintf(`"k%d":%d`, i, rng.Int64())
		}
		return same("many keys", strings.Join(list, ","))
	case 10:
		v := pick(rng, "true", "false")
		return keyed("a word", v, v)
	}
	// Digits in a text are a number where the field is an id, if all readers would agree.
	v := pick(rng, "7", "412077", "999999999999999999")
	if rng.IntN(2) == 0 {
		v = pick(rng, "9007199254740993000", "007", "-1", "1.0", strings.Repeat("1", 40), "")
		return same("an id as text", `"campaignId":"`+v+`"`)
	}
	return trickyField{what: "an id as text", in: `"campaignId":"` + v + `"`, out: `"campaignId":` + v}
}

func nested(depth int, inside string) string {
	return strings.Repeat("[", depth) + inside + strings.Repeat("]", depth)
}
