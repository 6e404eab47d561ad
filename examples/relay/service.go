package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/iteramp/iteramp"
)

// serviceConfig is what was found to be right before anything is opened.
type serviceConfig struct {
	opts    options
	log     *slog.Logger
	routes  []iteramp.Route
	metrics *metrics
	tls     *tls.Config // nil: HTTP
}

// newServiceConfig makes the clients of the routes. All mistakes are in the one
// error.
func newServiceConfig(opts options, specs []routeSpec, log *slog.Logger) (serviceConfig, error) {
	cfg := serviceConfig{opts: opts, log: log, metrics: newMetrics()}
	var errs []error
	for i, spec := range specs {
		rt, err := spec.route(log, cfg.metrics.attempt)
		if err != nil {
			errs = append(errs, fmt.Errorf("routes[%d]: %w", i, err))
		}
		cfg.routes = append(cfg.routes, rt)
	}
	if opts.TLSCert != "" {
		cert, err := tls.LoadX509KeyPair(opts.TLSCert, opts.TLSKey)
		if err != nil {
			errs = append(errs, fmt.Errorf("-tls-cert and -tls-key: %w", err))
		}
		cfg.tls = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{cert}}
	}
	if len(errs) == 0 {
		_, err := iteramp.NewRelay(cfg.relay(nil)) // before a store is opened for it
		errs = append(errs, err)
	}
	return cfg, errors.Join(errs...)
}

func routeName(rt iteramp.Route) string { return cmp.Or(rt.Name, "default") }

// relay is the configuration of the Relay. st is nil in direct mode.
func (cfg serviceConfig) relay(st store) iteramp.RelayConfig {
	rc := iteramp.RelayConfig{
		Routes: cfg.routes, AnswerWithin: cfg.opts.AnswerWithin, MaxBody: int64(cfg.opts.MaxBody), MaxWaiting: cfg.opts.MaxWaiting,
		Logger: cfg.log, OnOutcome: cfg.metrics.outcome,
	}
	if st != nil {
		rc.Queue, rc.DeadLetter = st.Queue(), st.DeadLetter()
	}
	return rc
}

// serve opens the store and runs a service on it until ctx ends.
func (cfg serviceConfig) serve(ctx context.Context) error {
	st, err := openStore(ctx, cfg.opts, cfg.log)
	if err != nil && ctx.Err() != nil {
		return nil // a signal came first
	}
	if err != nil {
		return err
	}
	s, err := cfg.start(ctx, st)
	if err != nil {
		if st != nil {
			err = errors.Join(err, st.Close())
		}
		return err
	}
	return s.wait(ctx)
}

// service is a relay with everything around it.
type service struct {
	cfg    serviceConfig
	relay  *iteramp.Relay
	store  store // nil in direct mode
	public *listener
	admin  *listener

	stopping  atomic.Bool
	work      context.Context // of Run and of what the admin listener does at length
	stop      context.CancelCauseFunc
	delivered sync.WaitGroup
}

// start listens, serves and delivers.
func (cfg serviceConfig) start(ctx context.Context, st store) (*service, error) {
	s := &service{cfg: cfg, store: st}
	s.work, s.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	var err error
	if s.relay, err = iteramp.NewRelay(cfg.relay(st)); err != nil {
		return nil, err
	}
	cfg.metrics.watch(s.relay, s.ready, st, cfg.routes)
	if s.public, err = s.listenPublic(ctx); err != nil {
		return nil, err
	}
	if s.admin, err = s.listenAdmin(ctx); err != nil {
		s.public.Close()
		return nil, err
	}
	s.delivered.Go(func() {
		if err := s.relay.Run(s.work); err != nil {
			s.stop(err)
		}
	})
	go s.public.serve(s.stop)
	go s.admin.serve(s.stop)
	s.logStart(ctx)
	return s, nil
}

func (s *service) logStart(ctx context.Context) {
	var names []string
	for _, rt := range s.cfg.routes {
		names = append(names, routeName(rt))
	}
	s.cfg.log.Info("started", "version", version(), "mode", s.cfg.opts.mode(), "listen", s.public.Addr().String(), "tls", s.cfg.tls != nil,
		"paths", s.cfg.opts.Path, "admin", s.admin.Addr().String(), "routes", names)
	if s.store != nil {
		ctx, cancel := context.WithTimeout(ctx, scrapeWithin)
		defer cancel()
		orphans(ctx, s.store, s.cfg.routes, s.cfg.log)
	}
}

var errStop = errors.New("stopped by a signal")

// wait returns when ctx has ended, or something of the service has failed, and the
// service has stopped.
func (s *service) wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-s.work.Done():
	}
	s.stopping.Store(true)
	s.cfg.log.Info("stopping", "within", s.cfg.opts.StopWithin.String())
	s.stop(errStop)
	why := context.Cause(s.work)
	if why == errStop {
		why = nil
	}
	return errors.Join(why, s.shutdown())
}

// shutdown takes nothing more, answers what has come and gives the frames in hand
// back, at the same time: a webhook that is stored meanwhile waits for the next
// start. The store is closed when nobody uses it any more.
func (s *service) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.cfg.opts.StopWithin)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		err := s.public.Shutdown(ctx)
		s.delivered.Wait()
		err = errors.Join(err, s.admin.Shutdown(ctx))
		if s.store != nil {
			err = errors.Join(err, s.store.Close())
		}
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return errors.Join(errors.New("not stopped in time: what was answered is safe, the rest was not answered"),
			s.public.Close(), s.admin.Close())
	}
}

// ready tells whether a webhook sent now would be taken.
func (s *service) ready() error {
	if s.stopping.Load() {
		return errors.New("stopping")
	}
	if s.store != nil {
		if err := s.store.Ready(); err != nil {
			return err
		}
	}
	return s.relay.Ready()
}

const (
	readHeaderWithin = 5 * time.Second
	readWithin       = 15 * time.Second
	writeMargin      = 10 * time.Second // after the answer is known
	idleWithin       = 60 * time.Second
	maxHeader        = 16 << 10
)

func (s *service) listenPublic(ctx context.Context) (*listener, error) {
	l, err := listen(ctx, s.cfg.opts.Listen, s.cfg.opts.MaxConnections)
	if err != nil {
		return nil, fmt.Errorf("-listen: %w", err)
	}
	l.Server = &http.Server{
		Handler:           s.cfg.metrics.timed(atPaths(s.relay, s.cfg.opts.Path, s.cfg.metrics.notFound)),
		ReadHeaderTimeout: readHeaderWithin,
		ReadTimeout:       readWithin,
		WriteTimeout:      readWithin + s.cfg.opts.AnswerWithin + writeMargin,
		IdleTimeout:       idleWithin,
		MaxHeaderBytes:    maxHeader,
		TLSConfig:         s.cfg.tls,
		ErrorLog:          slog.NewLogLogger(s.cfg.log.Handler(), slog.LevelWarn),
	}
	return l, nil
}
