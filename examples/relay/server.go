package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
)

// listener is a server and the socket it listens on.
type listener struct {
	*http.Server
	socket net.Listener
}

// listen opens a socket that takes up to max connections at a time.
func listen(ctx context.Context, addr string, max int) (*listener, error) {
	var lc net.ListenConfig
	socket, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &listener{socket: &limited{Listener: socket, slots: make(chan struct{}, max), closed: make(chan struct{})}}, nil
}

func (l *listener) Addr() net.Addr { return l.socket.Addr() }

// Close ends everything at once.
func (l *listener) Close() error { return errors.Join(l.Server.Close(), l.socket.Close()) }

// serve serves until Shutdown, or tells failed why it could not.
func (l *listener) serve(failed func(error)) {
	var err error
	if l.TLSConfig != nil {
		err = l.ServeTLS(l.socket, "", "")
	} else {
		err = l.Serve(l.socket)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		failed(err)
	}
}

// limited is a listener whose connections are so many at most at a time; further
// ones wait to be accepted.
type limited struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	once   sync.Once
}

// Accept waits for room, then for a connection.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &counted{Conn: c, free: func() { <-l.slots }}, nil
}

// Close has a waiting Accept return.
func (l *limited) Close() error {
	var err error
	l.once.Do(func() {
		close(l.closed)
		err = l.Listener.Close()
	})
	return err
}

// counted gives its place back when it is closed.
type counted struct {
	net.Conn
	once sync.Once
	free func()
}

func (c *counted) Close() error {
	c.once.Do(c.free)
	return c.Conn.Close()
}

// atPaths serves h at some paths and 404 elsewhere. It redirects nobody, as a
// http.ServeMux might: a webhook would be lost.
func atPaths(h http.Handler, paths []string, notFound func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(paths, r.URL.Path) {
			h.ServeHTTP(w, r)
			return
		}
		notFound()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, "not found\n")
	})
}
