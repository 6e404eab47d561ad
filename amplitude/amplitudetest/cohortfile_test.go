package amplitudetest

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// smallFile is the answer to a request for a small file.
func smallFile(t *testing.T, f *Fake, job string) string {
	t.Helper()
	resp, body := ask(t, f, "GET", "/api/5/cohorts/request/"+job+"/file", "")
	require.Equal(t, 200, resp.StatusCode)
	return body
}

func rows(t *testing.T, file string) [][]string {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(file)).ReadAll()
	require.NoError(t, err)
	return rows
}

func TestAFileHasThePropertiesAskedFor(t *testing.T) {
	t.Parallel()
	var f Fake
	id := f.AddCohort(Cohort{Members: []Member{
		{UserID: "u-1001", Properties: map[string]any{"plan": "gold", "tags": []any{"a", 1}, "visits": 12345678901234567}},
		{UserID: "u-1002", Properties: map[string]any{"plan": nil, "vip": true}},
	}})
	for query, want := range map[string]string{
		"":                      "amplitude_id,user_id\n410000000001,u-1001\n410000000002,u-1002\n",
		"?props=0&propKeys=vip": "amplitude_id,user_id\n410000000001,u-1001\n410000000002,u-1002\n",
		"?props=1": "amplitude_id,user_id,plan,tags,vip,visits\n" +
			"410000000001,u-1001,gold,'[''a'',1]',,12345678901234567\n410000000002,u-1002,,,true,\n",
		"?props=1&propKeys=visits&propKeys=no": "amplitude_id,user_id,visits,no\n410000000001,u-1001,12345678901234567,\n410000000002,u-1002,,\n",
	} {
		got := smallFile(t, &f, request(t, &f, id, query))
		require.Equal(t, rows(t, strings.ReplaceAll(want, "'", `"`)), rows(t, got), query)
	}
}

func TestEveryIDStandsInAFile(t *testing.T) {
	t.Parallel()
	ids := []string{`quo"te`, "com,ma", "line\nfeed", "nul\x00", "=1+1", " space ", "ünïcode", `""`}
	var f Fake
	id := f.AddCohort(Cohort{})
	f.SetMembers(id, ids...)
	var got []string
	for _, row := range rows(t, smallFile(t, &f, request(t, &f, id, "")))[1:] {
		got = append(got, row[1])
	}
	require.Equal(t, ids, got)
}

func TestALargeFileIsBehindALinkForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var f Fake
		id := f.AddCohort(Cohort{})
		f.SetMembers(id, make1000()...)
		smallFile(t, &f, request(t, &f, id, ""))
		f.SetMembers(id, append(make1000(), "one more")...)
		job := request(t, &f, id, "")
		link := func() string {
			resp, body := ask(t, &f, "GET", "/api/5/cohorts/request/"+job+"/file", "")
			require.Equal(t, 302, resp.StatusCode)
			require.Empty(t, body)
			return resp.Header.Get("Location")
		}
		first, second := link(), link()
		require.NotEqual(t, first, second)
		require.Contains(t, first, "https://amplitudetest.invalid/s3/")
		require.Contains(t, first, "X-Amz-Expires=60")

		time.Sleep(time.Minute)
		for _, l := range []string{first, second} {
			resp, body := follow(t, &f, l, nil)
			require.Equal(t, 200, resp.StatusCode)
			require.Equal(t, fmt.Sprint(len(body)), resp.Header.Get("Content-Length"))
			require.Len(t, rows(t, body), 1002)
		}
		time.Sleep(time.Nanosecond)
		resp, body := follow(t, &f, first, nil)
		require.Equal(t, 403, resp.StatusCode)
		require.Contains(t, body, "<Code>AccessDenied</Code><Message>Request has expired</Message>")
		resp, _ = follow(t, &f, link(), nil)
		require.Equal(t, 200, resp.StatusCode)
	})
}

func make1000() []string {
	ids := make([]string, 1000)
	for i := range ids {
		ids[i] = fmt.Sprint("u-", i)
	}
	return ids
}

func follow(t *testing.T, f *Fake, link string, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	require.NoError(t, err)
	for name := range header {
		req.Header.Set(name, header.Get(name))
	}
	resp, err := client(f).Do(req)
	require.NoError(t, err)
	return resp, bodyOf(t, resp)
}

func TestALinkTakesNoSecondCredentialAndNoChange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := Fake{InlineRows: -1}
		id := f.AddCohort(Cohort{})
		job := request(t, &f, id, "")
		time.Sleep(downloadLife - time.Second)
		resp, _ := ask(t, &f, "GET", "/api/5/cohorts/request/"+job+"/file", "")
		link := resp.Header.Get("Location")
		u, err := url.Parse(link)
		require.NoError(t, err)
		later := strings.ReplaceAll(link, u.Query().Get("X-Amz-Date"), time.Now().UTC().Add(time.Hour).Format(linkTime))
		for _, test := range []struct {
			link, code string
			header     http.Header
			want       int
		}{
			{link, "amplitude_id", nil, 200},
			{link, "InvalidArgument", http.Header{"Authorization": {"Basic eDp5"}}, 400},
			{later, "SignatureDoesNotMatch", nil, 403},
			{strings.ReplaceAll(link, ".csv", ".csw"), "SignatureDoesNotMatch", nil, 403},
			{strings.Split(link, "?")[0], "AccessDenied", nil, 403},
		} {
			resp, body := follow(t, &f, test.link, test.header)
			require.Equal(t, test.want, resp.StatusCode)
			require.Contains(t, body, test.code)
		}
		time.Sleep(time.Second)
		resp, body := follow(t, &f, link, nil)
		require.Equal(t, 404, resp.StatusCode)
		require.Contains(t, body, "NoSuchKey")
	})
}

func TestALinkPointsWhereTheFakeWasCalled(t *testing.T) {
	t.Parallel()
	f := Fake{InlineRows: -1}
	id := f.AddCohort(Cohort{Members: []Member{{UserID: "u-1001"}}})
	path := "/api/5/cohorts/request/" + request(t, &f, id, "") + "/file"
	plain, secure := httptest.NewServer(&f), httptest.NewTLSServer(&f)
	defer plain.Close()
	defer secure.Close()
	for base, c := range map[string]*http.Client{
		plain.URL: plain.Client(), secure.URL: secure.Client(),
		"https://amplitudetest.invalid": client(&f), "http://localhost:1": client(&f),
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
		require.NoError(t, err)
		req.SetBasicAuth("test-key", "test-secret")
		req.Header.Set("X-Forwarded-Proto", "ftp")
		resp, err := stay(c).Do(req)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		link := resp.Header.Get("Location")
		require.True(t, strings.HasPrefix(link, base+"/s3/"), link)
		resp, err = c.Get(link)
		require.NoError(t, err)
		require.Equal(t, 200, resp.StatusCode)
		require.Contains(t, bodyOf(t, resp), "u-1001")
	}
}

func TestAFileCanLie(t *testing.T) {
	t.Parallel()
	for _, inline := range []int{1, -1} {
		f := Fake{InlineRows: inline}
		id := f.AddCohort(Cohort{Members: []Member{{UserID: "u-1001"}}})
		job := request(t, &f, id, "")
		get := func() string {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://amplitudetest.invalid/api/5/cohorts/request/"+job+"/file", nil)
			require.NoError(t, err)
			req.SetBasicAuth("test-key", "test-secret")
			c := stay(client(&f))
			resp, err := c.Do(req)
			require.NoError(t, err)
			if link := resp.Header.Get("Location"); link != "" {
				resp, err = c.Get(link)
				require.NoError(t, err)
			}
			body := bodyOf(t, resp)
			require.Equal(t, fmt.Sprint(len(body)), resp.Header.Get("Content-Length"))
			return body
		}
		whole := get()
		f.TamperFile(func(csv []byte) []byte {
			require.Equal(t, whole, string(csv))
			f.Requests()
			csv[0] = 'x'
			return csv[:len(csv)/2]
		})
		require.Equal(t, "x"+whole[1:len(whole)/2], get())
		f.TamperFile(func([]byte) []byte { return nil })
		require.Empty(t, get())
		f.TamperFile(nil)
		require.Equal(t, whole, get())
	}
}

func TestAFileCanBeGzipWithoutSayingSo(t *testing.T) {
	t.Parallel()
	f := Fake{GzipFiles: true}
	id := f.AddCohort(Cohort{Members: []Member{{UserID: "u-1001"}}})
	f.TamperFile(func(csv []byte) []byte { return append(csv, "end"...) })
	resp, body := ask(t, &f, "GET", "/api/5/cohorts/request/"+request(t, &f, id, "")+"/file", "")
	require.Empty(t, resp.Header.Get("Content-Encoding"))
	require.Equal(t, fmt.Sprint(len(body)), resp.Header.Get("Content-Length"))
	z, err := gzip.NewReader(bytes.NewReader([]byte(body)))
	require.NoError(t, err)
	text, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, "\"amplitude_id\",\"user_id\"\r\n\"410000000001\",\"u-1001\"\r\nend", string(text))
}
