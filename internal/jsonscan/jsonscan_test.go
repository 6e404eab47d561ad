package jsonscan

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// samples are the seeds of the fuzz targets and the table of the differential
// test: every production of the grammar, and what comes close to one.
var samples = []string{
	``, ` `, `{}`, `[]`, `{ }`, `[ ]`, "\t{\r\n}\n", `null`, `true`, `false`, `nul`, `nulll`, `True`, `tru`,
	`0`, `-0`, `-`, `+1`, `01`, `1.`, `.5`, `1.5`, `-1.25e+10`, `1e`, `1e+`, `1E-2`, `1e400`, `0x10`, `1_000`, `NaN`, `Infinity`,
	`9007199254740993`, strings.Repeat("9", 40), `""`, `"`, `"a`, `"a\`, `"\"`, `"\\"`, `"\/\b\f\n\r\t"`, `"\a"`, `"\u12"`,
	`"\u00e9"`, `"\uD83D\uDE00"`, `"\ud83d"`, `"\ude00\ud83d"`, `"\ud83dA"`, `"\ud83d\n"`, `"\u00g0"`, `"\U0041"`,
	"\"a\nb\"", "\"a\x00b\"", "\"a\x1fb\"", "\"a\x7fb\"", "\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "\"é\u2028\"",
	"\uFEFF{}", "{}\x00", `{} {}`, `{},`, `[1,]`, `[,1]`, `[1 2]`, `[1,2`, `[1}`, `{"a":1,}`, `{"a"}`, `{"a":}`, `{"a" 1}`, `{a:1}`,
	`{'a':1}`, `{"a":1 "b":2}`, `{"a":1,"a":2}`, `{"a":{"b":[{"c":null}]}}`, `{"a":1}}`, `// c`, `/**/{}`, `{"a":[1,{"b":"}]"}]}`,
	`"1234567"`, `"12345678"`, `"123456789"`, `"1234567\u0041"`, "\"12345\x016789\"", `"é234567é901234567890"`,
}

func TestValidAgreesWithEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, s := range samples {
		agree(t, []byte(s))
		for i := range len(s) { // and everything that was cut off
			agree(t, []byte(s[:i]))
		}
	}
}

func TestDepthLimitIsThatOfEncodingJSON(t *testing.T) {
	t.Parallel()
	for _, depth := range []int{1, 2, 64, 9_999, 10_000, 10_001, 20_000} {
		for _, open := range []string{"[", `{"a":`} {
			end := map[string]string{"[": "]", `{"a":`: "}"}[open]
			s := strings.Repeat(open, depth-1) + open[:1] + strings.Repeat(end, depth)
			agree(t, []byte(s))
			require.Equal(t, depth <= MaxDepth, Valid([]byte(s)), "%d times %s", depth, open)
		}
	}
}

func TestEveryByteValueInAString(t *testing.T) {
	t.Parallel()
	for at := range 20 { // every lane of a word, and the rest after the last word
		for c := range 256 {
			s := []byte(`"` + strings.Repeat("x", 20) + `"`)
			s[1+at] = byte(c)
			agree(t, s)
		}
	}
}

func TestMembersAreSlicesOfTheObject(t *testing.T) {
	t.Parallel()
	object := []byte(` { "a" : 1.50 , "b\"":[ {} ] , "":"x", "a":null } `)
	var got []string
	for k, v := range Members(object) {
		got = append(got, string(k)+"="+string(v))
		require.Equal(t, len(v), cap(v), "appending to a value would overwrite the body")
	}
	require.Equal(t, []string{`"a"=1.50`, `"b\""=[ {} ]`, `""="x"`, `"a"=null`}, got)

	for k := range Members(object) {
		require.Equal(t, `"a"`, string(k))
		break
	}
	for range Members([]byte(`"no object"`)) {
		t.Fatal("a string has no members")
	}
}

func TestElementsAreSlicesOfTheArray(t *testing.T) {
	t.Parallel()
	var got []string
	for v := range Elements([]byte(` [1, "a,b" ,[2,3],{"x":[4]}] `)) {
		got = append(got, string(v))
	}
	require.Equal(t, []string{`1`, `"a,b"`, `[2,3]`, `{"x":[4]}`}, got)
}

func TestTextSaysWhatEncodingJSONSays(t *testing.T) {
	t.Parallel()
	for _, s := range samples {
		unquote(t, []byte(s))
	}
	require.Nil(t, Text([]byte(`7`)))
}

func TestReadingAllocatesNothing(t *testing.T) { // not parallel: it counts the process's allocations
	body := []byte(`{"plain":"text","list":[1,{"a":null}]}`)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if !IsObject(body) {
			t.Fatal("not valid")
		}
		for k, v := range Members(body) {
			Text(k)
			Text(v)
		}
	}))
}

func TestWidthNeverSplitsACharacter(t *testing.T) {
	t.Parallel()
	in := []byte(`aé😀\n\u00e9\ud83d\ude00\ud83dz`)
	var got []string
	for len(in) > 0 {
		n := Width(in)
		got, in = append(got, string(in[:n])), in[n:]
	}
	require.Equal(t, []string{`a`, `é`, `😀`, `\n`, `\u00e9`, `\ud83d\ude00`, `\ud83d`, `z`}, got)
}

func TestAppendStringEscapesOnlyWhatItMust(t *testing.T) {
	t.Parallel()
	require.Equal(t, `"<a href=\"x\">&\\\b\f\n\r\t\u0000\u001f`+"\x7f\u2028é😀\uFFFDz\"",
		string(AppendString(nil, "<a href=\"x\">&\\\b\f\n\r\t\x00\x1f\x7f\u2028é😀\xffz")))
}

func FuzzValid(f *testing.F) {
	for _, s := range samples {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		agree(t, b)
		unquote(t, b)
		for k, v := range Members(b) {
			require.True(t, Valid(k) && Valid(v))
		}
	})
}

func FuzzAppendString(f *testing.F) {
	for _, s := range samples {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		quoted := AppendString(nil, s)
		require.True(t, json.Valid(quoted) && utf8.Valid(quoted))
		require.Equal(t, strings.ToValidUTF8(s, "\uFFFD") == s, string(Text(quoted)) == s)
	})
}

// agree fails the test if encoding/json thinks otherwise about b.
func agree(t *testing.T, b []byte) {
	t.Helper()
	require.Equal(t, json.Valid(b), Valid(b), "%.100q", b)
	var object map[string]json.RawMessage
	isObject := json.Unmarshal(b, &object) == nil && object != nil
	require.Equal(t, isObject, IsObject(b), "%.100q", b)
	if !isObject {
		return
	}
	got := make(map[string]json.RawMessage)
	for k, v := range Members(b) {
		got[strings.ToValidUTF8(string(Text(k)), "\uFFFD")] = v
	}
	for k, v := range object { // invalid bytes in keys count one by one there
		if !strings.Contains(k, "\uFFFD") {
			require.Equal(t, string(bytes.TrimSpace(v)), string(got[k]))
		}
	}
}

// unquote fails the test if encoding/json reads another string from b.
func unquote(t *testing.T, b []byte) {
	t.Helper()
	var want string
	if b = bytes.TrimSpace(b); !utf8.Valid(b) || len(b) == 0 || b[0] != '"' || json.Unmarshal(b, &want) != nil {
		return
	}
	require.Equal(t, want, string(Text(b)))
}

func BenchmarkValid(b *testing.B) {
	body := []byte(`{"email":"ada.lindqvist@example.com","userId":"usr-48213","eventName":"emailClick","dataFields":{"campaignId":412077,` +
		`"campaignName":"Spring restock","labels":["restock"],"workflowId":null,"isBot":false,"messageId":"5b1f0c6e2d9a4f7788c1a3e5d7f90b24",` +
		`"userAgent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_4) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",` +
		`"region":"Västra Götaland","url":"https://shop.example.com/kettle?utm_source=mail&c=1","linkId":"2205519774","hrefIndex":3}}`)
	for name, valid := range map[string]func([]byte) bool{"jsonscan": Valid, "floor=encodingjson": json.Valid} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				valid(body)
			}
		})
	}
}
