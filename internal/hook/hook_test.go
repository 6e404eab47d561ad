package hook

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func request(body io.Reader, length int64) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r.Header.Set("Content-Type", "application/json")
	r.ContentLength = length
	return r
}

func TestReadReturnsTheWholeBody(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 1_200, 4_095, 4_096, 4_097, 100_000} {
		want := strings.Repeat("x", size)
		for name, length := range map[string]int64{"announced": int64(size), "not announced": -1} {
			for _, in := range []io.Reader{strings.NewReader(want), iotest.HalfReader(strings.NewReader(want)), iotest.DataErrReader(strings.NewReader(want))} {
				got, status := Read(httptest.NewRecorder(), request(in, length), 100_000)
				require.Zero(t, status)
				require.Equal(t, want, string(got), "%d bytes, %s", size, name)
			}
			_, status := Read(httptest.NewRecorder(), request(strings.NewReader(want+"x"), length), int64(size))
			require.Equal(t, http.StatusRequestEntityTooLarge, status)
		}
	}
}

func TestReadBelievesNoAnnouncement(t *testing.T) { // not parallel: it counts the process's allocations
	silent := iotest.ErrReader(errors.New("the sender has gone"))
	got := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		r := request(silent, 1<<20)
		for b.Loop() {
			_, status := Read(nil, r, 1<<20)
			require.Equal(b, http.StatusServiceUnavailable, status)
		}
	})
	require.Less(t, got.AllocedBytesPerOp(), int64(8<<10), "a megabyte was announced, nothing was sent")
}

func TestReadOfAUsualWebhookAllocatesOneBuffer(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 1_200)
	in := bytes.NewReader(body)
	r := request(in, int64(len(body)))
	allocs := testing.AllocsPerRun(100, func() {
		in.Reset(body)
		Read(nil, r, 1<<20)
	})
	require.LessOrEqual(t, allocs, 2.0, "the buffer and the MaxBytesReader")
}

func TestRefuseHasATextForEveryStatus(t *testing.T) {
	t.Parallel()
	for status := range texts {
		rec := httptest.NewRecorder()
		Refuse(rec, status, "")
		require.Equal(t, status, rec.Code)
		require.Greater(t, rec.Body.Len(), len("\n"))
		require.Equal(t, status == http.StatusUnauthorized, rec.Header().Get("WWW-Authenticate") != "")
	}
	rec := httptest.NewRecorder()
	Refuse(rec, http.StatusBadRequest, "no name")
	require.Equal(t, "no name\n", rec.Body.String())
}
