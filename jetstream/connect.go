package jetstream

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// ConnectConfig says how Connect uses a cluster. The zero value will do for one of
// three servers that sync every write.
type ConnectConfig struct {
	Replicas     int   // of each stream, zero means 3
	MaxBytes     int64 // of each route's frames, zero means 10 GiB
	MaxDeadBytes int64 // of all dead letters together, zero means 1 GiB
	// Monitors are the monitoring addresses of all servers, such as
	// "http://10.0.0.1:8222": then the start checks that each syncs every write. It
	// shows nowhere else.
	Monitors []string
	Logger   *slog.Logger // zero means silent
}

// Connect uses a NATS cluster with JetStream. The URL may name several servers,
// with commas in between; opts are for credentials and TLS. It waits for the first
// connection until ctx ends; one that is lost later comes back by itself.
//
// Servers before 2.14 are refused.
func Connect(ctx context.Context, url string, cfg ConnectConfig, opts ...nats.Option) (*Store, error) {
	return connect(ctx, url, cfg, defaultTuning(), opts...)
}

func connect(ctx context.Context, url string, cfg ConnectConfig, t tuning, opts ...nats.Option) (*Store, error) {
	if cfg.Replicas < 0 {
		return nil, errors.New("jetstream: Replicas must not be negative")
	}
	set, err := newSettings(cmp.Or(cfg.Replicas, 3), cfg.MaxBytes, cfg.MaxDeadBytes, t)
	if err != nil {
		return nil, err
	}
	log := cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	if err := checkMonitors(ctx, cfg.Monitors, log); err != nil {
		return nil, err
	}
	nc, err := dial(ctx, url, log, opts)
	if err != nil {
		return nil, err
	}
	e, err := newEngine(nc, set, nil)
	if err == nil {
		err = e.checkCluster(ctx)
	}
	if err != nil {
		nc.Close()
		return nil, err
	}
	s := newStore(e, set, log, newMarks(nil, log))
	s.start()
	return s, nil
}

// dial waits for a first connection. The caller's options come before those that
// must hold, and after those that need not.
func dial(ctx context.Context, url string, log *slog.Logger, opts []nats.Option) (*nats.Conn, error) {
	all := []nats.Option{
		nats.Name("iteramp"),
		nats.ReconnectWait(250 * time.Millisecond), // requests wait meanwhile
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("the connection to NATS", "error", err) }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { log.Warn("the connection to NATS is lost", "error", err) }),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("the connection to NATS is back") }),
	}
	all = append(all, opts...)
	all = append(all, nats.MaxReconnects(-1), nats.RetryOnFailedConnect(true))
	nc, err := nats.Connect(url, all...)
	if err != nil {
		return nil, fmt.Errorf("jetstream: connecting: %w", withoutURL(err))
	}
	for wait := nc.StatusChanged(nats.CONNECTED, nats.CLOSED); !nc.IsConnected(); {
		select {
		case <-wait:
		case <-ctx.Done():
		}
		if err := ctx.Err(); err != nil || nc.IsClosed() {
			last := nc.LastError()
			nc.Close()
			return nil, fmt.Errorf("jetstream: connecting: %w", errors.Join(err, withoutURL(last)))
		}
	}
	return nc, nil
}

// withoutURL leaves errors that quote no address, which may have a password in it.
func withoutURL(err error) error {
	known := []error{nats.ErrNoServers, nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrTimeout, nats.ErrSecureConnRequired, nats.ErrSecureConnWanted}
	for _, k := range known {
		if errors.Is(err, k) {
			return k
		}
	}
	if err == nil {
		return nil
	}
	return errors.New("the address, the options or the servers are at fault")
}

// checkCluster refuses what cannot keep the promises.
func (e *engine) checkCluster(ctx context.Context) error {
	if err := checkVersion(e.nc.ConnectedServerVersion()); err != nil {
		return err
	}
	if _, err := e.js.AccountInfo(ctx); err != nil {
		return fmt.Errorf("jetstream: asking for JetStream: %w", err)
	}
	return nil
}

func checkVersion(version string) error {
	major, rest, _ := strings.Cut(version, ".")
	minor, _, _ := strings.Cut(rest, ".")
	a, err1 := strconv.Atoi(major)
	b, err2 := strconv.Atoi(minor)
	if err1 != nil || err2 != nil || a < 2 || a == 2 && b < 14 {
		return fmt.Errorf("jetstream: the server's version is %q and must be 2.14.0 or later", version)
	}
	return nil
}

// checkMonitors makes sure that all servers sync every write. An ordinary
// connection cannot tell.
func checkMonitors(ctx context.Context, monitors []string, log *slog.Logger) error {
	if len(monitors) == 0 {
		log.WarnContext(ctx, "nobody has checked that the NATS servers sync every write (sync_interval: always): "+
			"without it a loss of power takes what was acknowledged. Name their Monitors")
	}
	for i, base := range monitors {
		if err := checkMonitor(ctx, strings.TrimSuffix(base, "/")); err != nil {
			return fmt.Errorf("jetstream: Monitors[%d]: %w", i, err)
		}
	}
	return nil
}

func checkMonitor(ctx context.Context, base string) error {
	var about struct {
		Version string `json:"version"`
	}
	if err := monitor(ctx, base+"/varz", &about); err != nil {
		return err
	}
	if err := checkVersion(about.Version); err != nil {
		return err
	}
	var js struct {
		Disabled bool `json:"disabled"`
		Config   struct {
			SyncAlways bool `json:"sync_always"`
		} `json:"config"`
	}
	if err := monitor(ctx, base+"/jsz", &js); err != nil {
		return err
	}
	switch {
	case js.Disabled:
		return errors.New("the server runs without JetStream")
	case !js.Config.SyncAlways:
		return errors.New("the server must be set to sync_interval: always")
	}
	return nil
}

var monitorClient = &http.Client{
	Timeout:       10 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

var errMonitor = errors.New("no answer of a NATS server's monitoring port")

func monitor(ctx context.Context, url string, to any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return errMonitor // not err, which quotes the address
	}
	resp, err := monitorClient.Do(req)
	if err != nil {
		return errors.Join(errMonitor, ctx.Err())
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: status %d", errMonitor, resp.StatusCode)
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 8<<20)).Decode(to); err != nil {
		return errMonitor
	}
	return nil
}
