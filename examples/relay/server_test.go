package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/amplitude/amplitudetest"
	"github.com/iteramp/iteramp/iterable/iterabletest"
)

func TestOtherPathsAreNotFoundAndNobodyIsRedirected(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp, "-path", "/iterable", "-path", "/hooks/a")
	for path, want := range map[string]int{
		"/iterable": 401, "/hooks/a": 401, "/": 404, "/iterable/": 404, "//iterable": 404, "/x/../iterable": 404, "/Iterable": 404, "/metrics": 404,
	} {
		resp, err := http.DefaultTransport.RoundTrip(unauthorized(t, r.base+path))
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, want, resp.StatusCode, path)
		require.Empty(t, resp.Header.Get("Server"))
	}
}

func unauthorized(t *testing.T, address string) *http.Request {
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(`{}`))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	return req
}

func TestTheServerHasAllItsTimeLimits(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp, "-answer-within", "7s")
	for _, srv := range []*http.Server{r.public.Server, r.admin.Server} {
		require.Equal(t, []any{5 * time.Second, time.Minute, 16 << 10}, []any{srv.ReadHeaderTimeout, srv.IdleTimeout, srv.MaxHeaderBytes})
	}
	require.Equal(t, 15*time.Second, r.public.ReadTimeout)
	require.Equal(t, 32*time.Second, r.public.WriteTimeout, "longer than reading and answering")
}

func TestConnectionsBeyondTheLimitWait(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	r := start(t, &amp, "-max-connections", "1")
	first, err := net.Dial("tcp", r.public.Addr().String())
	require.NoError(t, err)
	defer first.Close()
	_, err = io.WriteString(first, "GET /none HTTP/1.1\r\nHost: relay\r\n\r\n")
	require.NoError(t, err)
	resp, err := http.ReadResponse(bufio.NewReader(first), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)

	second, err := net.Dial("tcp", r.public.Addr().String())
	require.NoError(t, err)
	defer second.Close()
	_, err = io.WriteString(second, "GET /none HTTP/1.1\r\nHost: relay\r\n\r\n")
	require.NoError(t, err)
	require.NoError(t, second.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	_, err = second.Read(make([]byte, 1))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, first.Close())
	require.NoError(t, second.SetReadDeadline(time.Now().Add(10*time.Second)))
	resp, err = http.ReadResponse(bufio.NewReader(second), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, resp.StatusCode)
}

func TestAFullListenerCanBeClosed(t *testing.T) {
	t.Parallel()
	l, err := listen(t.Context(), "127.0.0.1:0", 1)
	require.NoError(t, err)
	c, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	_, err = l.socket.Accept()
	require.NoError(t, err)
	accepted := make(chan error, 1)
	go func() {
		_, err := l.socket.Accept()
		accepted <- err
	}()
	require.NoError(t, l.socket.Close())
	require.ErrorIs(t, <-accepted, net.ErrClosed)
}

// certificate writes a certificate of 127.0.0.1 and its key.
func certificate(t *testing.T) (cert, key string, pool *x509.CertPool) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	cert, key = filepath.Join(t.TempDir(), "cert.pem"), filepath.Join(t.TempDir(), "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	require.NoError(t, os.WriteFile(cert, certPEM, 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}), 0o600))
	pool = x509.NewCertPool()
	pool.AppendCertsFromPEM(certPEM)
	return cert, key, pool
}

func TestTLSIsServedFromVersion12OnWithHTTP2(t *testing.T) {
	t.Parallel()
	var amp amplitudetest.Fake
	cert, key, pool := certificate(t)
	r := start(t, &amp, "-tls-cert", cert, "-tls-key", key)
	client := func(max uint16) *http.Client {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: max}, ForceAttemptHTTP2: true}
		t.Cleanup(transport.CloseIdleConnections)
		return &http.Client{Transport: transport}
	}
	req := iterabletest.WebhookRequest(testToken, click("user-1"))
	req.URL.Host = r.public.Addr().String()
	resp, err := client(0).Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, []any{http.StatusOK, 2}, []any{resp.StatusCode, resp.ProtoMajor})
	_, err = client(tls.VersionTLS11).Get("https://" + r.public.Addr().String())
	require.ErrorContains(t, err, "protocol version")
}

func TestACertificateThatCannotBeReadIsAMistake(t *testing.T) {
	t.Parallel()
	opts := options{TLSCert: "none", TLSKey: "none", MaxBody: 1, MaxWaiting: 1, AnswerWithin: 1}
	_, err := newServiceConfig(opts, nil, nil)
	require.ErrorContains(t, err, "-tls-cert and -tls-key: ")
}
