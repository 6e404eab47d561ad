package mapping_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

const everything = mapping.Campaign | mapping.Detail | mapping.Personal | mapping.Content

func TestValuesPassThroughUnlessARuleSaysOtherwise(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ in, want string }{
		"exact numbers":                      {`{"a":9007199254740993,"b":1e400,"c":-0,"d":1.50,"e":` + strings.Repeat("9", 40) + `}`, `{"a":9007199254740993,"b":1e400,"c":-0,"d":1.50,"e":` + strings.Repeat("9", 40) + `}`},
		"equal keys":                         {`{"a":1,"a":2}`, `{"a":1,"a":2}`},
		"keys that differ in case":           {`{"url":"x","URL":"y","campaignid":"7"}`, `{"url":"x","URL":"y","campaignid":"7"}`},
		"half a surrogate pair":              {`{"a":"\ud83d","\ude00":1}`, `{"a":"\ud83d","\ude00":1}`},
		"escapes and white space inside":     {`{"\u0061": "\/\u00e9", "b": { "c" : [ 1 ] } }`, `{"\u0061":"\/\u00e9","b":{ "c" : [ 1 ] }}`},
		"nothing is no property":             {`{"a":null,"b":[],"c":{},"d":[ ],"e":{ }}`, ``},
		"an empty text is one":               {`{"embeddedButtonId":""}`, `{"embeddedButtonId":""}`},
		"false and zero are, too":            {`{"a":false,"b":0}`, `{"a":false,"b":0}`},
		"nothing deeper down stays":          {`{"a":{"b":null,"c":[]}}`, `{"a":{"b":null,"c":[]}}`},
		"ids in quotes become numbers":       {`{"campaignId":"412077","exitNodeId":"0","contentId":5}`, `{"campaignId":412077,"exitNodeId":0,"contentId":5}`},
		"unless JSON has no such number":     {`{"campaignId":"007","templateId":"-1","channelId":"1.0","workflowId":"","experimentId":"12345678901234567890"}`, `{"campaignId":"007","templateId":"-1","channelId":"1.0","workflowId":"","experimentId":"12345678901234567890"}`},
		"texts that look like numbers stay":  {`{"linkId":"2205519774","canonicalUrlId":"1","espAccountId":"77","errorCode":"30008","exitRuleId":"5"}`, `{"linkId":"2205519774","canonicalUrlId":"1","espAccountId":"77","errorCode":"30008","exitRuleId":"5"}`},
		"an old name":                        {`{"device":"Gmail"}`, `{"userAgentDevice":"Gmail"}`},
		"which gives way to the new one":     {`{"device":"Gmail","userAgentDevice":"iPhone"}`, `{"userAgentDevice":"iPhone"}`},
		"unless that is nothing":             {`{"device":"Gmail","userAgentDevice":null}`, `{"userAgentDevice":"Gmail"}`},
		"escaped keys hide nothing":          {`{"\u0065mail":"a@b.example","i\u0070":"::1","itblIntern\u0061l.x":1}`, ``},
		"parts of dropped fields":            {`{"whatsAppMessage.text":"x","sanitized.inputText":"x","itblInternal.documentCreatedAt":"x","payload.a":1,"smsProviderResponse.code":5}`, `{"smsProviderResponse.code":5}`},
		"keys that only begin like a class":  {`{"ipAddress":"x","emailSubject":"y","payloads":1}`, `{"ipAddress":"x","emailSubject":"y","payloads":1}`},
		"a field called after a Go template": {`{"{{a}}":1,"":2,"a.b":3}`, `{"{{a}}":1,"":2,"a.b":3}`},
	} {
		require.Equal(t, tt.want, properties(t, mapping.Rules{}, webhook.EmailSend, tt.in), name)
	}
}

func TestClassesOfFields(t *testing.T) {
	t.Parallel()
	const in = `{"campaignId":1,"url":"u","ip":"::1","payload":{"a":1},"emailId":"x","deviceInfo":{"appPackageName":"p","model":"m"}}`
	for classes, want := range map[mapping.Class]string{
		0:                `{"campaignId":1,"url":"u","appPackageName":"p","deviceInfo":{"model":"m"}}`,
		mapping.Campaign: `{"campaignId":1}`,
		mapping.Detail:   `{"url":"u","appPackageName":"p","deviceInfo":{"model":"m"}}`,
		mapping.Personal: `{"ip":"::1"}`,
		mapping.Content:  `{"payload":{"a":1}}`,
		everything:       `{"campaignId":1,"url":"u","ip":"::1","payload":{"a":1},"appPackageName":"p","deviceInfo":{"model":"m"}}`,
		255:              `{"campaignId":1,"url":"u","ip":"::1","payload":{"a":1},"appPackageName":"p","deviceInfo":{"model":"m"}}`,
	} {
		require.Equal(t, want, properties(t, mapping.Rules{Classes: classes}, webhook.EmailClick, in), "classes %b", classes)
	}
}

func TestSubscribeCarriesNoProfile(t *testing.T) {
	t.Parallel()
	const in = `{"campaignId":1,"signupSource":"API","emailListIds":[1],"phoneNumber":"+1","url":"u","deviceInfo":{"model":"m"},"device":"d","firstName":"A","publicIdString":"x"}`
	require.Equal(t, `{"campaignId":1,"signupSource":"API","emailListIds":[1]}`,
		properties(t, mapping.Rules{}, webhook.EmailSubscribe, in))
	require.Equal(t, `{"campaignId":1,"signupSource":"API","emailListIds":[1],"firstName":"A"}`,
		properties(t, mapping.Rules{Classes: everything}, webhook.EmailSubscribe, in))
}

func TestTransactionalDataIsReadAsJSON(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":{"b":[1]}}`:              `{"a":{"b":[1]}}`,
		`"{\"a\":{\"b\":[1]}}"`:        `{"a":{"b":[1]}}`,
		`" {\"n\":9007199254740993} "`: `{"n":9007199254740993}`,
		`"{}"`:                         ``,
		`""`:                           ``,
		`null`:                         ``,
		`"plain"`:                      `"plain"`,
		`"[1]"`:                        `"[1]"`,
		`"{\"a\":"`:                    `"{\"a\":"`,
	} {
		if want != "" {
			want = `{"transactionalData":` + want + `}`
		}
		require.Equal(t, want, properties(t, mapping.Rules{Classes: everything}, webhook.EmailSend, `{"transactionalData":`+in+`}`))
	}
}

func TestLongTextsAreCutBetweenCharacters(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		character string
		keep      int
	}{
		"ASCII":              {"a", 1024},
		"two bytes":          {"é", 1024},
		"four bytes":         {"😀", 1024},
		"an escape":          {`\n`, 1024},
		"a long escape":      {`\u00e9`, 1024},
		"a pair of escapes":  {`\ud83d\ude00`, 1024},
		"half a pair":        {`\ud83d`, 1024},
		"combining sequence": {"e\u0301", 512}, // two characters each
	} {
		kept := `"` + strings.Repeat(tt.character, tt.keep) + `"`
		long := `"` + strings.Repeat(tt.character, tt.keep+1) + `"`
		for shape, format := range map[string]string{
			"top": `{"a":%s}`, "list": `{"a":[1,%s]}`, "object": `{"a":{"b":{"c":%s}}}`,
		} {
			require.Equal(t, fmt.Sprintf(format, kept), properties(t, mapping.Rules{}, webhook.EmailSend, fmt.Sprintf(format, kept)), name+shape)
			require.Equal(t, fmt.Sprintf(format, kept), properties(t, mapping.Rules{}, webhook.EmailSend, fmt.Sprintf(format, long)), name+shape)
		}
	}
}

func TestBranchesDeeperThan40LevelsAreDropped(t *testing.T) {
	t.Parallel()
	nested := func(open, core, end string, n int) string {
		return strings.Repeat(open, n) + core + strings.Repeat(end, n)
	}
	for name, tt := range map[string]struct{ in, want string }{
		"objects at the limit":  {nested(`{"a":`, `1`, `}`, 40), nested(`{"a":`, `1`, `}`, 40)},
		"objects past it":       {nested(`{"a":`, `1`, `}`, 41), nested(`{"a":`, `{}`, `}`, 39)},
		"only the branch":       {`{"b":1,"a":` + nested(`[0,`, `1`, `]`, 41) + `}`, `{"b":1,"a":` + nested(`[0,`, `[0]`, `]`, 38) + `}`},
		"brackets inside texts": {`{"a":"` + strings.Repeat("[", 50) + `"}`, `{"a":"` + strings.Repeat("[", 50) + `"}`},
		"as deep as JSON goes":  {`{"a":` + nested(`[`, ``, `]`, 9_990) + `}`, `{"a":` + nested(`[`, ``, `]`, 39) + `}`},
	} {
		require.Equal(t, tt.want, properties(t, mapping.Rules{}, webhook.EmailSend, tt.in), name)
	}
}

func TestCutQuery(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"url":"https://a.example/x?token=1#f"}`:               `{"url":"https://a.example/x"}`,
		`{"url":"/x?email=a@b.example"}`:                        `{"url":"/x"}`,
		`{"clickedUrl":"shop://a?b"}`:                           `{"clickedUrl":"shop://a"}`,
		`{"url":"https:\/\/a.example\/\u003ftoken=1"}`:          `{"url":"https://a.example/"}`,
		`{"url":"https://a.example/#f"}`:                        `{"url":"https://a.example/#f"}`,
		`{"own":"HTTPS://a.example/?x"}`:                        `{"own":"HTTPS://a.example/"}`,
		`{"emailSubject":"Really? Yes://"}`:                     `{"emailSubject":"Really? Yes://"}`,
		`{"trackedLink":{"templateUrl":"/a?b","n":"c?d"}}`:      `{"trackedLink":{"templateUrl":"/a","n":"c?d"}}`,
		`{"deeplink":{"ios":"shop://o?t=1","android":null}}`:    `{"deeplink":{"ios":"shop://o","android":null}}`,
		`{"links":["https://a.example/?1","no url?"]}`:          `{"links":["https://a.example/","no url?"]}`,
		`{"webPushClickAction":"/a?b","embeddedTargetUrl":"?"}`: `{"webPushClickAction":"/a","embeddedTargetUrl":""}`,
	} {
		require.Equal(t, want, properties(t, mapping.Rules{CutQuery: true}, webhook.EmailClick, in))
		require.Equal(t, in, properties(t, mapping.Rules{}, webhook.EmailClick, in), "off by default")
	}
}

// A sender chooses depth and width: neither may cost more than the bytes sent.
func TestHostileShapesAreMappedInReasonableTime(t *testing.T) {
	t.Parallel()
	var wide strings.Builder
	for i := range 20_000 {
		fmt.Fprintf(&wide, `"k%d":{"url":"?"},`, i)
	}
	for name, in := range map[string]string{
		"wide":           `{` + wide.String() + `"z":1}`,
		"deep":           `{"z":` + strings.Repeat(`{"b":1,"a":`, 9_990) + `1` + strings.Repeat(`}`, 9_990) + `}`,
		"deep and heavy": `{"z":` + strings.Repeat(`{"b":1,"a":`, 9_990) + `"` + strings.Repeat("x", 500_000) + `"` + strings.Repeat(`}`, 9_990) + `}`,
		"long":           `{"z":"` + strings.Repeat(`\u0041`, 50_000) + `"}`,
		"repeated":       `{` + strings.Repeat(`"device":1,"deviceInfo":{"appPackageName":2},`, 30_000) + `"z":1}`,
		"quotes":         `{"transactionalData":"` + strings.Repeat(`\"`, 100_000) + `"}`,
	} {
		r := mapping.Rules{Classes: everything, CutQuery: true}
		e := parse(t, `{"userId":"u-1","eventName":"nobodyKnows","dataFields":`+in+`}`)
		out, err := r.Event(e, received)
		require.NoError(t, err, name)
		require.True(t, json.Valid([]byte(propertiesOf(t, out))), name)
	}
}

func TestMappingOneWebhookAllocatesLittle(t *testing.T) { // not parallel: it counts the process's allocations
	in := compact(t, iterabletest.Payload(webhook.EmailClick))
	buf := make([]byte, 0, 4<<10)
	allocs := testing.AllocsPerRun(100, func() {
		e, _ := webhook.Parse(in)
		out, _ := mapping.Rules{}.Event(e, received)
		buf, _ = out.AppendJSON(buf[:0])
	})
	require.LessOrEqual(t, allocs, 8.0)
}

func FuzzEvent(f *testing.F) {
	for _, body := range iterabletest.Payloads() {
		f.Add(body, byte(0))
	}
	f.Add([]byte(`{"eventName":"x","userId":1e400,"dataFields":{"deviceInfo":{"platform":"\ud83d","a":[]},"device":[[]],"a.b":"\\?"}}`), byte(255))
	f.Fuzz(func(t *testing.T, body []byte, bits byte) {
		before := string(body)
		in, err := webhook.Parse(body)
		if err != nil {
			return
		}
		r := mapping.Rules{
			UserID:        mapping.UserIDOrEmail,
			Classes:       mapping.Class(bits & 15),
			CutQuery:      bits&16 != 0,
			ClientData:    bits&32 != 0,
			Subscriptions: true,
		}
		if bits&64 != 0 {
			r.Property = func(key string, v json.RawMessage) (string, json.RawMessage) { return key + "!", v }
		}
		out, err := r.Event(in, received)
		again, errAgain := r.Event(in, received)
		require.Equal(t, out, again)
		require.Equal(t, err, errAgain)
		require.Equal(t, before, string(body), "the body was written to")
		r.Identify(in, received)
		explained(t, r, in)
		if err != nil {
			require.ErrorAs(t, err, new(mapping.Skip))
			return
		}
		require.Equal(t, out.InsertID, mapping.Rules{}.InsertID(in))
		b, err := json.Marshal(out)
		require.NoError(t, err)
		require.True(t, json.Valid(b) && utf8.Valid(b))
		unaltered(t, in, out.EventProperties, r)
	})
}

// unaltered compares numbers and short texts of top-level fields that keep
// their name with what was sent.
func unaltered(t *testing.T, in webhook.Event, sent any, r mapping.Rules) {
	t.Helper()
	if sent == nil || r.Property != nil || r.CutQuery {
		return
	}
	var got map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(sent.(json.RawMessage), &got))
	for k, v := range got {
		raw := in.Field(k)
		if len(raw) == 0 || len(raw) > 64 || raw[0] == '"' || k == "userAgentDevice" || k == "appPackageName" || k == "deviceInfo" {
			continue
		}
		if string(raw) != "null" && string(raw) != "[]" && string(raw) != "{}" && raw[0] != '[' && raw[0] != '{' {
			require.Equal(t, string(raw), string(v), k)
		}
	}
}

func TestEventsDoNotShareABuffer(t *testing.T) {
	t.Parallel()
	var all []string
	var events []json.RawMessage
	for i := range 100 {
		all = append(all, fmt.Sprintf(`{"n":%d}`, i))
		out, err := mapping.Rules{}.Event(parse(t, `{"userId":"u-1","eventName":"x","dataFields":`+all[i]+`}`), received)
		require.NoError(t, err)
		events = append(events, out.EventProperties.(json.RawMessage))
	}
	for i, want := range all {
		require.Equal(t, want, string(events[i]))
	}
}
