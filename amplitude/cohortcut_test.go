package amplitude_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude"
)

// cutter is a server that speaks by hand. It answers each request for a file with
// the bytes of answer and closes the connection.
type cutter struct {
	base   string
	link   bool // the file is behind a link
	answer atomic.Pointer[string]
}

func newCutter(t *testing.T, link bool) *cutter {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { ln.Close() })
	c := &cutter{base: "http://" + ln.Addr().String(), link: link}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			c.serve(conn)
		}
	}()
	return c
}

func (c *cutter) serve(conn net.Conn) {
	defer conn.Close()
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	if c.link && strings.HasPrefix(req.URL.Path, "/api/") {
		fmt.Fprintf(conn, "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nConnection: close\r\nLocation: %s/f.csv\r\n\r\n", c.base)
		return
	}
	io.WriteString(conn, *c.answer.Load())
}

func (c *cutter) client(t *testing.T) *amplitude.Client {
	client, err := amplitude.NewClient(amplitude.Config{
		APIKey: "k", SecretKey: "s", BaseURL: c.base, MaxAttempts: 1,
		HTTPClient: &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}},
	})
	require.NoError(t, err)
	return client
}

func (c *cutter) read(t *testing.T, client *amplitude.Client, answer string) ([]amplitude.Member, error) {
	c.answer.Store(&answer)
	return collect(t, client.Cohorts.Download(t.Context(), "r-1"))
}

func gzipOf(parts ...string) string {
	var b bytes.Buffer
	for _, p := range parts {
		w := gzip.NewWriter(&b)
		_, _ = io.WriteString(w, p)
		_ = w.Close()
	}
	return b.String()
}

// Wherever the connection breaks, the end is an error.
func TestAFileThatIsCutIsNeverAShorterCohort(t *testing.T) {
	t.Parallel()
	plain := "\"amplitude_id\",\"user_id\"\r\n\"41\",\"u-1\"\r\n\"42\",\"u-2\"\r\n\"43\",\"u-3\"\r\n"
	for name, tt := range map[string]struct {
		file string
		link bool
	}{
		"plain": {plain, false}, "gzip": {gzipOf(plain[:40], plain[40:]), false}, "plain over a link": {plain, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newCutter(t, tt.link)
			client := server.client(t)
			head := "HTTP/1.1 200 OK\r\n"
			sized := fmt.Sprintf("%sContent-Length: %d\r\n\r\n", head, len(tt.file))
			for n := range len(tt.file) {
				_, err := server.read(t, client, sized+tt.file[:n])
				require.ErrorIs(t, err, amplitude.ErrCutOff, "%d bytes of %d", n, len(tt.file))
				chunk := ""
				if n > 0 {
					chunk = fmt.Sprintf("%x\r\n%s\r\n", n, tt.file[:n])
				}
				_, err = server.read(t, client, head+"Transfer-Encoding: chunked\r\n\r\n"+chunk)
				require.ErrorIs(t, err, amplitude.ErrCutOff, "%d bytes in a chunk", n)
				require.NotErrorIs(t, err, amplitude.ErrCohortFile)
			}
			_, err := server.read(t, client, head+"\r\n"+tt.file)
			require.ErrorIs(t, err, amplitude.ErrCutOff, "nothing tells whether it is whole")

			for _, body := range []string{
				sized + tt.file,
				fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", head, len(tt.file), tt.file),
			} {
				members, err := server.read(t, client, body)
				require.NoError(t, err)
				require.Len(t, members, 3)
			}
		})
	}
}

// A file that was cut before it was sent looks whole to HTTP.
func TestAFileThatWasStoredCutIsAnErrorWhereItShows(t *testing.T) {
	t.Parallel()
	plain := "\"amplitude_id\",\"user_id\"\n\"41\",\"u-1\"\n\"42\",\"u-2\"\n"
	packed := gzipOf(plain)
	for n := range len(packed) {
		client, _ := newStub(t, alike(200, packed[:n]))
		_, err := collect(t, client.Cohorts.Download(t.Context(), "r-1"))
		require.ErrorIs(t, err, amplitude.ErrCohortFile, n)
	}
	for n := range len(plain) {
		client, _ := newStub(t, alike(200, plain[:n]))
		members, err := collect(t, client.Cohorts.Download(t.Context(), "r-1"))
		if err == nil { // at the end of a row, with its line end or not
			rows := strings.Split(strings.TrimSuffix(plain[:n], "\n"), "\n")
			last := rows[len(rows)-1] // one without a user id looks so too
			require.True(t, slices.Contains(strings.Split(plain, "\n"), last) || strings.HasSuffix(last, ","), last)
			require.Len(t, members, len(rows)-1)
		} else {
			require.ErrorIs(t, err, amplitude.ErrCohortFile, n)
		}
	}
}
