package iterabletest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/iterable"
)

// result is an answer as a client sees it.
type result struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

// ask sends a request as any client would.
func ask(t testing.TB, f *Fake, method, target, body string) result {
	t.Helper()
	r := httptest.NewRequest(method, "https://iterabletest.invalid"+target, strings.NewReader(body))
	r.Header.Set("Api-Key", f.apiKey())
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	got := result{status: w.Code, header: w.Header(), text: w.Body.String()}
	if strings.HasPrefix(got.header.Get("Content-Type"), "application/json") {
		d := json.NewDecoder(bytes.NewReader(w.Body.Bytes()))
		require.NoError(t, d.Decode(&got.json), got.text)
		_, err := d.Token()
		require.ErrorIs(t, err, io.EOF)
	}
	return got
}

func post(t testing.TB, f *Fake, path, body string) result {
	t.Helper()
	return ask(t, f, http.MethodPost, path, body)
}

func get(t testing.TB, f *Fake, target string) result {
	t.Helper()
	return ask(t, f, http.MethodGet, target, "")
}

// accepted is a post that must be answered 200.
func accepted(t testing.TB, f *Fake, path, body string) result {
	t.Helper()
	got := post(t, f, path, body)
	require.Equal(t, http.StatusOK, got.status, got.text)
	return got
}

// requireRefused checks the status and the code of an envelope.
func requireRefused(t testing.TB, got result, status int, code string) {
	t.Helper()
	require.Equal(t, status, got.status, got.text)
	require.Equal(t, code, got.json["code"], got.text)
	require.Contains(t, got.json, "msg")
}

func hybrid() *Fake   { return &Fake{ProjectType: iterable.ProjectTypeHybrid} }
func byUserID() *Fake { return &Fake{ProjectType: iterable.ProjectTypeUserID} }

// failed are the lists of failedUpdates that are not empty.
func failed(got result) map[string]any {
	all := make(map[string]any)
	lists, _ := got.json["failedUpdates"].(map[string]any)
	for name, ids := range lists {
		if len(ids.([]any)) > 0 {
			all[name] = ids
		}
	}
	return all
}
