package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// grace is what requests under way get to finish; a relay answers within 5 s.
const grace = 10 * time.Second

type site struct {
	listener net.Listener
	handler  http.Handler
}

// serve serves the sites until ctx ends or one of them fails, then lets the
// requests under way finish.
func serve(ctx context.Context, sites ...site) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var wg sync.WaitGroup
	for _, s := range sites {
		srv := newServer(s.handler)
		wg.Go(func() {
			if err := srv.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
				stop(err)
			}
		})
		wg.Go(func() {
			<-ctx.Done()
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
			defer cancel()
			if srv.Shutdown(last) != nil {
				srv.Close() // somebody holds a connection; they had their time
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func newServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       60 * time.Second,
	}
}
