package iterabletest

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestThereAre48Operations(t *testing.T) {
	t.Parallel()
	names := make(map[string]bool)
	for _, op := range operations {
		names[op.name()] = true
		found, _ := route(op.method, op.path)
		require.Same(t, op, found, "%s is hidden by another", op.name())
	}
	require.Len(t, names, 48)
}

func TestWhatIsNotServedIsAPage(t *testing.T) {
	t.Parallel()
	var f Fake
	for _, target := range []string{"/api/nothing", "/api/catalogs", "/api/lists/1/2/3", "/api/users/", "/", "/api/lists/", "/api//lists"} {
		got := get(t, &f, target)
		require.Equal(t, http.StatusNotFound, got.status, target)
		require.Equal(t, "text/html; charset=utf-8", got.header.Get("Content-Type"))
	}
	require.Equal(t, http.StatusNotFound, ask(t, &f, http.MethodPut, "/api/lists", "").status, "nor an unknown method")
}

func TestAKeyIsNeeded(t *testing.T) {
	t.Parallel()
	f := &Fake{APIKey: "secret"}
	for _, key := range []string{"", "test-api-key", "Secret"} {
		r := httptest.NewRequest(http.MethodGet, "/api/lists", nil)
		r.Header.Set("Api-Key", key)
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		require.Equal(t, http.StatusUnauthorized, w.Code)
		require.JSONEq(t, `{"msg":"Invalid API key","code":"BadApiKey","params":{"ip":"192.0.2.1","endpoint":"/api/lists"}}`, w.Body.String())
	}
	require.Equal(t, http.StatusOK, get(t, f, "/api/lists").status)
}

func TestAnEscapedSlashIsPartOfAnId(t *testing.T) {
	t.Parallel()
	f := byUserID()
	f.AddUser("a/b", nil)
	require.Contains(t, get(t, f, "/api/users/byUserId/a%2Fb").text, `"userId":"a/b"`)
}
