package iterabletest

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// BenchmarkSubscribe subscribes 1,000 users a request, to a list that grows.
func BenchmarkSubscribe(b *testing.B) {
	f := byUserID()
	list := f.AddList("Gold")
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		body := bytes.NewBufferString(fmt.Sprintf(`{"listId":%d,"subscribers":[{"userId":"u-%09d"}`, list, n))
		for range 999 {
			n++
			fmt.Fprintf(body, `,{"userId":"u-%09d"}`, n)
		}
		body.WriteString(`]}`)
		r := httptest.NewRequest(http.MethodPost, "/api/lists/subscribe", body)
		r.Header.Set("Api-Key", f.apiKey())
		w := httptest.NewRecorder()
		f.ServeHTTP(w, r)
		require.Equal(b, http.StatusOK, w.Code)
	}
}
