package jetstream

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// TestMain is a NATS server of a cluster, or a store, if the environment says so.
func TestMain(m *testing.M) {
	if node := os.Getenv("ITERAMP_TEST_NATS"); node != "" {
		if err := runNode(node); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// tempDir is a directory in memory, if there is one: these tests kill processes but
// take no power away, so that syncing to a disk would only make them slow.
func tempDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/dev/shm", "iteramp-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
	return dir
}

// stalls measures the longest time for which this process did not run.
func stalls(t *testing.T) (longest func() time.Duration) {
	var most atomic.Int64
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	go func() {
		last := time.Now()
		for tick := time.NewTicker(50 * time.Millisecond); ; last = time.Now() {
			select {
			case <-tick.C:
				most.Store(max(most.Load(), int64(time.Since(last))))
			case <-over:
				return
			}
		}
	}()
	return func() time.Duration { return time.Duration(most.Load()) }
}

// node is one server of a cluster.
type node struct {
	Name    string
	Dir     string
	Client  int
	Route   int
	Monitor int
	Routes  []int // of all
	Lazy    bool  // does not sync always
	Alone   bool
}

func runNode(text string) error {
	var n node
	if err := json.Unmarshal([]byte(text), &n); err != nil {
		return err
	}
	opts := &server.Options{
		ServerName: n.Name, Host: "127.0.0.1", Port: n.Client, HTTPHost: "127.0.0.1", HTTPPort: n.Monitor,
		JetStream: true, StoreDir: n.Dir, SyncAlways: !n.Lazy, JetStreamMaxMemory: 1 << 20, JetStreamMaxStore: 1 << 40, NoSigs: true,
	}
	if !n.Alone {
		opts.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: n.Route}
		for _, port := range n.Routes {
			opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
		}
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	srv.Start()
	// It ends with the test, however that ends.
	_, _ = os.Stdin.Read(make([]byte, 1))
	srv.Shutdown()
	return nil
}

// cluster is servers in processes of their own.
type cluster struct {
	nodes []*node
	cmds  []*exec.Cmd
	ends  []interface{ Close() error }
}

// startCluster starts three servers and waits until they have agreed on a leader.
func startCluster(t testing.TB) *cluster {
	c := newCluster(t, 3)
	for i := range c.nodes {
		c.start(t, i)
	}
	c.await(t)
	return c
}

// startServer starts one server, alone.
func startOne(t testing.TB, lazy bool) *cluster {
	c := newCluster(t, 1)
	c.nodes[0].Alone, c.nodes[0].Lazy = true, lazy
	c.start(t, 0)
	c.await(t)
	return c
}

func newCluster(t testing.TB, n int) *cluster {
	c := &cluster{cmds: make([]*exec.Cmd, n), ends: make([]interface{ Close() error }, n)}
	dir, ports := tempDir(t), freePorts(t, 3*n)
	routes := ports[2*n:]
	for i := range n {
		c.nodes = append(c.nodes, &node{
			Name: fmt.Sprintf("n%d", i), Dir: filepath.Join(dir, fmt.Sprint(i)),
			Client: ports[i], Monitor: ports[n+i], Route: routes[i], Routes: routes,
		})
	}
	t.Cleanup(func() {
		for i := range c.nodes {
			c.kill(i)
		}
	})
	return c
}

func freePorts(t testing.TB, n int) (ports []int) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		defer l.Close()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports
}

func (c *cluster) start(t testing.TB, i int) {
	text, err := json.Marshal(c.nodes[i])
	require.NoError(t, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "ITERAMP_TEST_NATS="+string(text))
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	c.cmds[i], c.ends[i] = cmd, stdin
}

// kill is kill -9.
func (c *cluster) kill(i int) {
	if c.cmds[i] == nil {
		return
	}
	_ = c.cmds[i].Process.Kill()
	_ = c.cmds[i].Wait()
	c.ends[i].Close()
	c.cmds[i] = nil
}

func (c *cluster) await(t testing.TB) {
	nc, err := nats.Connect(c.urls(), nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	require.NoError(t, err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		cfg := jetstream.StreamConfig{Name: "probe", Subjects: []string{"probe"}, Replicas: len(c.nodes)}
		_, err := js.CreateStream(ctx, cfg)
		return err == nil
	}, 30*time.Second, 50*time.Millisecond)
	require.NoError(t, js.DeleteStream(t.Context(), "probe"))
}

func (c *cluster) urls() string {
	var all []string
	for _, n := range c.nodes {
		all = append(all, fmt.Sprintf("nats://127.0.0.1:%d", n.Client))
	}
	return strings.Join(all, ",")
}

func (c *cluster) monitors() (all []string) {
	for _, n := range c.nodes {
		all = append(all, fmt.Sprintf("http://127.0.0.1:%d", n.Monitor))
	}
	return all
}

// leader is the index of the server that leads a stream.
func (c *cluster) leader(t *testing.T, s *Store, stream string) int {
	have, err := s.engine.js.Stream(t.Context(), stream)
	require.NoError(t, err)
	for i, n := range c.nodes {
		if n.Name == have.CachedInfo().Cluster.Leader {
			return i
		}
	}
	t.Fatal("no leader")
	return -1
}

func rawLetter(route, id, body string) *nats.Msg {
	return &nats.Msg{Subject: deadSubject + route + "." + id, Data: []byte(body)}
}
