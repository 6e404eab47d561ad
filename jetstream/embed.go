package jetstream

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	lockName   = "lock"
	storeName  = "nats"  // the server's directory
	probeName  = "probe" // a file that is written and removed
	maxPayload = 2 << 20 // of a frame with its headers
)

// EmbedConfig says where Embed keeps its files. Only Dir is required.
type EmbedConfig struct {
	// Dir is created if only it is missing, for the user alone. One that others may
	// write to is refused.
	Dir          string
	MaxBytes     int64        // of each route's frames, zero means 10 GiB
	MaxDeadBytes int64        // of all dead letters together, zero means 1 GiB
	Logger       *slog.Logger // zero means silent
}

// Embed runs a NATS server inside this process, on files, reachable by nobody else.
// A write is synced before it is acknowledged. Opening may read all files, which takes
// about a second for a GiB of frames. It fails if ctx ends, but not before the server
// has read what it began to read.
//
// A Dir that is in use is [ErrBusy].
func Embed(ctx context.Context, cfg EmbedConfig) (*Store, error) {
	return embed(ctx, cfg, defaultTuning())
}

func embed(ctx context.Context, cfg EmbedConfig, t tuning) (*Store, error) {
	set, err := newSettings(1, cfg.MaxBytes, cfg.MaxDeadBytes, t)
	if err != nil {
		return nil, err
	}
	root, lock, err := openDir(cfg.Dir)
	if err != nil {
		return nil, err
	}
	release := func() error { return errors.Join(unlockFile(lock), root.Close()) }
	log := cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	open := func(ctx context.Context) (*engine, error) { return openServer(ctx, root, set, log) }
	e, err := open(ctx)
	if err != nil {
		return nil, errors.Join(err, release())
	}
	s := newStore(e, set, log, newMarks(root, log))
	s.reopen, s.release = open, release
	s.start()
	return s, nil
}

func newSettings(replicas int, maxBytes, maxDeadBytes int64, t tuning) (settings, error) {
	if maxBytes < 0 || maxDeadBytes < 0 {
		return settings{}, errors.New("jetstream: MaxBytes and MaxDeadBytes must not be negative")
	}
	return settings{
		replicas:     replicas,
		maxBytes:     cmp.Or(maxBytes, defaultMaxBytes),
		maxDeadBytes: cmp.Or(maxDeadBytes, defaultMaxDeadBytes),
		tuning:       t,
	}, nil
}

// openDir opens the directory and locks it: the server itself would let a second
// one in.
func openDir(dir string) (*os.Root, *os.File, error) {
	if dir == "" {
		return nil, nil, errors.New("jetstream: Dir is required")
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, nil, fmt.Errorf("jetstream: Dir: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("jetstream: Dir: %w", err)
	}
	lock, err := lockDir(root)
	if err != nil {
		root.Close()
		return nil, nil, err
	}
	return root, lock, nil
}

func lockDir(root *os.Root) (*os.File, error) {
	info, err := root.Stat(".")
	if err != nil {
		return nil, fmt.Errorf("jetstream: Dir: %w", err)
	}
	if writableByOthers(info.Mode()) {
		return nil, errors.New("jetstream: others may write to Dir: take that right from them")
	}
	lock, err := lockFile(root)
	if err != nil && !errors.Is(err, ErrBusy) {
		err = fmt.Errorf("jetstream: locking Dir: %w", err)
	}
	return lock, err
}

// openServer starts the server and connects to it.
func openServer(ctx context.Context, root *os.Root, set settings, log *slog.Logger) (*engine, error) {
	if err := probe(root); err != nil {
		return nil, fmt.Errorf("jetstream: Dir cannot be written to: %w", err)
	}
	if err := checkBlocks(ctx, root, log); err != nil {
		return nil, err
	}
	srv, err := server.NewServer(serverOptions(root.Name()))
	if err != nil {
		return nil, fmt.Errorf("jetstream: the server: %w", err)
	}
	logger := &serverLog{log: log}
	srv.SetLoggerV2(logger, false, false, false)
	down := func() {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
	e, err := startServer(ctx, srv, logger, set, down)
	if err != nil {
		down()
		return nil, err
	}
	return e, nil
}

func startServer(ctx context.Context, srv *server.Server, logger *serverLog, set settings, down func()) (*engine, error) {
	// Whatever becomes of ctx: a server that is shut down while it starts may leave
	// files open to the next one.
	srv.Start()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("jetstream: opening the server: %w", ctx.Err())
	}
	if err := logger.failure(); err != nil {
		return nil, fmt.Errorf("jetstream: opening the server: %w", err)
	}
	if err := checkServer(srv); err != nil {
		return nil, err
	}
	nc, err := nats.Connect("", nats.InProcessServer(srv), nats.Name("iteramp"), nats.NoReconnect(), nats.Timeout(10*time.Second))
	if err != nil {
		return nil, fmt.Errorf("jetstream: connecting to the server: %w", err)
	}
	e, err := newEngine(nc, set, down)
	if err != nil {
		nc.Close()
		return nil, err
	}
	e.writeFailed = logger.writeFailed
	return e, nil
}

func serverOptions(dir string) *server.Options {
	return &server.Options{
		ServerName: "iteramp",
		DontListen: true, // this process alone, and no port
		NoSigs:     true, // signals are the program's
		JetStream:  true,
		StoreDir:   dir + "/" + storeName,
		// Without it the server syncs every two minutes, and a loss of power takes
		// all that was acknowledged since, or the stream itself.
		SyncAlways: true,
		MaxPayload: maxPayload,
		// A client that reads slowly may be this much behind: several of the largest
		// batches.
		MaxPending: 64 << 20,
		// Nothing is kept in memory, and only the streams' own budgets bind.
		JetStreamMaxMemory: 1 << 20,
		JetStreamMaxStore:  1 << 60,
	}
}

// checkServer makes sure of what no durability is without.
func checkServer(srv *server.Server) error {
	info, err := srv.Jsz(nil)
	switch {
	case err != nil:
		return fmt.Errorf("jetstream: asking the server for its settings: %w", err)
	case info.Disabled:
		return errors.New("jetstream: the server runs without JetStream")
	case !info.Config.SyncAlways:
		return errors.New("jetstream: the server does not sync always")
	}
	return nil
}

// probe tells whether the directory takes a few frames, by trying.
func probe(root *os.Root) error {
	f, err := root.OpenFile(probeName, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(make([]byte, 2*maxPayload))
	err = errors.Join(err, f.Sync(), f.Close(), root.Remove(probeName))
	return err
}
