package rest

import (
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
)

// refusingHTTP2 speaks just enough HTTP/2 to refuse every stream with
// REFUSED_STREAM, which makes net/http send the request again by itself. It
// counts the requests that arrive.
func refusingHTTP2(t *testing.T) (base string, client *http.Client, requests <-chan struct{}) {
	plain := httptest.NewTLSServer(nil) // lends its certificate
	t.Cleanup(plain.Close)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: plain.TLS.Certificates, NextProtos: []string{"h2"}})
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	seen := make(chan struct{}, 1000)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go refuseStreams(conn, seen)
		}
	}()
	client = plain.Client()
	client.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	return "https://" + l.Addr().String(), client, seen
}

func refuseStreams(conn net.Conn, seen chan<- struct{}) {
	defer conn.Close()
	const settings, headers, rstStream, ack = 4, 1, 3, 1
	frame := func(kind, flags byte, stream uint32, payload ...byte) {
		head := []byte{0, 0, byte(len(payload)), kind, flags, 0, 0, 0, 0}
		binary.BigEndian.PutUint32(head[5:], stream)
		conn.Write(append(head, payload...))
	}
	if _, err := io.ReadFull(conn, make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))); err != nil {
		return
	}
	frame(settings, 0, 0)
	for {
		head := make([]byte, 9)
		if _, err := io.ReadFull(conn, head); err != nil {
			return
		}
		length := int(head[0])<<16 | int(head[1])<<8 | int(head[2])
		if _, err := io.ReadFull(conn, make([]byte, length)); err != nil {
			return
		}
		switch {
		case head[3] == settings && head[4]&ack == 0:
			frame(settings, ack, 0)
		case head[3] == headers:
			seen <- struct{}{}
			frame(rstStream, 0, binary.BigEndian.Uint32(head[5:]), 0, 0, 0, 7) // REFUSED_STREAM
		}
	}
}

func TestRepeatsInsideNetHTTPCountAsAttempts(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"POST", "GET"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			base, httpClient, requests := refusingHTTP2(t)
			c := newTestClient(nil)
			c.HTTP = HTTPClient(httpClient)
			call := Call{Method: method, Base: base, Path: "/p", Idempotent: true}
			if method == "POST" {
				call.Body = []byte("{}")
			}
			err := c.Do(t.Context(), call, nil)
			require.Error(t, err)
			require.LessOrEqual(t, len(requests), 3, "net/http alone would send seven")
			require.Positive(t, len(requests))
		})
	}
}
