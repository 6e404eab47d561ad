package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/iteramp/iteramp"
)

// maxAdmins bounds the connections of the admin listener.
const maxAdmins = 64

func (s *service) listenAdmin(ctx context.Context) (*listener, error) {
	addr := s.cfg.opts.Admin
	l, err := listen(ctx, addr, maxAdmins)
	if err != nil {
		return nil, fmt.Errorf("-admin: %w", err)
	}
	l.Server = &http.Server{
		Handler:           s.guard(s.adminMux()),
		ReadHeaderTimeout: readHeaderWithin,
		IdleTimeout:       idleWithin,
		MaxHeaderBytes:    maxHeader,
		// No ReadTimeout and WriteTimeout: a list or a replay of many letters takes
		// as long as it takes. It ends when the service stops.
		BaseContext: func(net.Listener) context.Context { return s.work },
		ErrorLog:    slog.NewLogLogger(s.cfg.log.Handler(), slog.LevelWarn),
	}
	return l, nil
}

func (s *service) adminMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.cfg.metrics.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", s.readyz)
	l := letters{log: s.cfg.log, relay: s.relay}
	if s.store != nil {
		l.store = s.store.DeadLetter()
	}
	for pattern, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /deadletters":                      l.list,
		"GET /deadletters/{route}/{id}":         l.get,
		"POST /deadletters/{route}/{id}/replay": l.replay,
		"POST /deadletters/replay":              l.replayAll,
		"DELETE /deadletters/{route}/{id}":      l.delete,
		"POST /deadletters/purge":               l.purge,
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			err := errDirect
			if l.store != nil {
				err = h(w, r)
			}
			if err != nil {
				refuse(w, err)
			}
		})
	}
	return mux
}

func (s *service) readyz(w http.ResponseWriter, _ *http.Request) {
	if err := s.ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// guard keeps web pages out that a browser of this machine shows: those that call
// from another origin, and those whose name was made to lead here.
func (s *service) guard(h http.Handler) http.Handler {
	addr := s.cfg.opts.Admin
	own, _, _ := net.SplitHostPort(addr)
	h = http.NewCrossOriginProtection().Handler(h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case isLoopback(addr) && !loopbackHost(hostOnly(r.Host)) && hostOnly(r.Host) != own:
			http.Error(w, "the host is not this machine's", http.StatusForbidden)
		case len(r.Header["Origin"]) > 0:
			http.Error(w, "not for web pages", http.StatusForbidden)
		default:
			h.ServeHTTP(w, r)
		}
	})
}

// hostOnly is a Host header without its port.
func hostOnly(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	if len(host) > 1 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

// wrong is a request that cannot be served as it is.
type wrong struct {
	status int
	text   string
}

func (w wrong) Error() string { return w.text }

var errDirect error = wrong{http.StatusNotFound, "there are no dead letters without a queue"}

// refuse answers with what went wrong, as JSON.
func refuse(w http.ResponseWriter, err error) {
	status := http.StatusInternalServerError
	if e, ok := errors.AsType[wrong](err); ok {
		status = e.status
	} else if errors.Is(err, iteramp.ErrNoLetter) {
		status = http.StatusNotFound
	}
	answer(w, status, map[string]string{"error": err.Error()})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error means that the caller has gone
}
