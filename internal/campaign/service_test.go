package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// service is the relay of the examples in a process of its own, with TLS and its own
// limits.
type service struct {
	cmd   *exec.Cmd
	dir   string // of its queue
	addr  string
	admin string
	roots *x509.CertPool
}

// startService builds it, and starts it on a queue of its own.
func startService(t *testing.T, amplitude string, args ...string) *service {
	t.Helper()
	s := &service{dir: filepath.Join(storeDir(t), "queue"), roots: x509.NewCertPool()}
	at := t.TempDir()
	build := exec.Command("go", "build", "-C", "../../examples", "-o", filepath.Join(at, "relay"), "./relay")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	cert, key := s.certificate(t, at)
	routes, err := json.Marshal(map[string]any{"routes": []any{map[string]any{
		"name": "shop", "api_key": map[string]string{"env": "CAMPAIGN_KEY"}, "secrets": []any{map[string]string{"env": "CAMPAIGN_SECRET"}}, "base_url": amplitude,
	}}})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(at, "routes.json"), routes, 0o600))

	args = append([]string{"-listen=127.0.0.1:0", "-admin=127.0.0.1:0", "-data=" + s.dir, "-routes=" + filepath.Join(at, "routes.json"),
		"-tls-cert=" + cert, "-tls-key=" + key}, args...)
	s.cmd = exec.Command(filepath.Join(at, "relay"), args...)
	s.cmd.Env = append(os.Environ(), "CAMPAIGN_KEY=test-key", "CAMPAIGN_SECRET="+secret)
	log, err := s.cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, s.cmd.Start())
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			_ = s.cmd.Process.Kill()
			_ = s.cmd.Wait()
		}
	})
	lines := bufio.NewReader(log)
	for s.addr == "" {
		line, err := lines.ReadBytes('\n')
		require.NoError(t, err, "the service did not start: %s", watched.last())
		_, _ = watched.Write(line)
		var entry struct{ Msg, Listen, Admin string }
		if json.Unmarshal(line, &entry) == nil && entry.Msg == "started" {
			s.addr, s.admin = entry.Listen, entry.Admin
		}
	}
	go func() { _, _ = io.Copy(&watched, lines) }()
	return s
}

// certificate writes that of the httptest package to files.
func (s *service) certificate(t *testing.T, dir string) (cert, key string) {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	s.roots.AddCert(srv.Certificate())
	secretKey, err := x509.MarshalPKCS8PrivateKey(srv.TLS.Certificates[0].PrivateKey)
	require.NoError(t, err)
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600))
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secretKey}), 0o600))
	return cert, key
}

func (s *service) url() string { return "https://" + s.addr }

func (s *service) tls(protocols ...string) *tls.Config {
	return &tls.Config{RootCAs: s.roots, NextProtos: protocols}
}

// stop ends it as an operator would.
func (s *service) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, s.cmd.Wait(), "%s", watched.last())
}

// metric is one of those that it serves, -1 if it is not there.
func (s *service) metric(name string) float64 {
	resp, err := http.Get("http://" + s.admin + "/metrics")
	if err != nil {
		return -1
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			v, err := strconv.ParseFloat(value, 64)
			if err == nil {
				return v
			}
		}
	}
	return -1
}

func (s *service) files() int {
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	return len(files)
}
