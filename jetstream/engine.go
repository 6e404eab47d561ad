package jetstream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const leaveWithin = 2 * time.Second // what is told the server at the end

// engine is one connection, of Embed with the server behind it, and what has been
// made sure of on it.
type engine struct {
	set  settings
	nc   *nats.Conn
	js   jetstream.JetStream
	gone chan struct{} // closed when it is no longer used
	down func()        // ends the server; nil if it is not ours
	// writeFailed tells that the server has said so; nil if it is not ours.
	writeFailed func() bool
	dead        once // the stream of dead letters is there

	mu     sync.Mutex
	routes map[string]*route
}

func newEngine(nc *nats.Conn, set settings, down func()) (*engine, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, err
	}
	return &engine{set: set, nc: nc, js: js, gone: make(chan struct{}), down: down, routes: make(map[string]*route)}, nil
}

// route is the route of a name, made when it is first asked for.
func (e *engine) route(name string) *route {
	e.mu.Lock()
	defer e.mu.Unlock()
	r := e.routes[name]
	if r == nil {
		r = newRoute(e, name)
		e.routes[name] = r
	}
	return r
}

// retire has a route begun anew by the next who asks for it. What it has open comes
// again, and can no longer be acknowledged: the server might take that for another
// frame of the same sequence.
func (e *engine) retire(r *route) {
	e.mu.Lock()
	if e.routes[r.name] == r {
		delete(e.routes, r.name)
	}
	e.mu.Unlock()
	r.end()
}

// inUse are the routes that were used by this process.
func (e *engine) inUse() []*route {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]*route, 0, len(e.routes))
	for _, r := range e.routes {
		list = append(list, r)
	}
	return list
}

// keep keeps what this process holds from being handed out again.
func (e *engine) keep(context.Context) {
	for _, r := range e.inUse() {
		r.keep(time.Now())
	}
}

// close gives back what is held and ends the connection, and the server if it is
// ours.
func (e *engine) close() {
	close(e.gone)
	ctx, cancel := context.WithTimeout(context.Background(), leaveWithin)
	defer cancel()
	for _, r := range e.inUse() {
		r.giveBack()
		r.end()
		if e.down == nil && e.nc.IsConnected() {
			e.unpin(ctx, r)
		}
	}
	if e.nc.IsConnected() { // what is lost comes again
		_ = e.nc.FlushWithContext(ctx)
		if e.down != nil {
			_ = e.settle(ctx)
		}
	}
	e.nc.Close()
	if e.down != nil {
		e.down()
	}
}

// settle waits until the server has done what it was told of frames: it puts that
// aside when it reads it, and a shutdown forgets what lies there. The number is no
// frame's, so that the word changes nothing, and it is answered in its turn.
func (e *engine) settle(ctx context.Context) error {
	var errs []error
	for _, r := range e.inUse() {
		subject := fmt.Sprintf("$JS.ACK.%s.%s.1.%d.1.0.0", r.stream, consumerName, int64(math.MaxInt64))
		_, err := e.nc.RequestWithContext(ctx, subject, []byte("+WPI"))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// unpin lets another process take a route's place at once. If it fails, that takes
// until the server has missed us.
func (e *engine) unpin(ctx context.Context, r *route) {
	pin := r.pinned()
	if pin == "" {
		return
	}
	consumer, err := e.js.Consumer(ctx, r.stream, consumerName)
	if err != nil {
		return
	}
	for _, g := range consumer.CachedInfo().PriorityGroups {
		if g.Group != group || g.PinnedClientID != pin {
			continue
		}
		if stream, err := e.js.Stream(ctx, r.stream); err == nil {
			_ = stream.UnpinConsumer(ctx, consumerName, group)
		}
	}
}

// once makes sure of something once. A failed attempt is made again by the next
// who asks. No lock is held meanwhile.
type once struct {
	mu   sync.Mutex
	done bool
	busy chan struct{} // closed when the attempt under way has ended
}

func (o *once) do(ctx context.Context, f func(context.Context) error) error {
	for {
		o.mu.Lock()
		if o.done {
			o.mu.Unlock()
			return nil
		}
		busy := o.busy
		if busy == nil {
			o.busy = make(chan struct{})
		}
		o.mu.Unlock()
		if busy == nil {
			return o.attempt(ctx, f)
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (o *once) attempt(ctx context.Context, f func(context.Context) error) (err error) {
	defer func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.done = err == nil
		close(o.busy)
		o.busy = nil
	}()
	return f(ctx)
}

func (o *once) isDone() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.done
}

// again has the next who asks make sure anew.
func (o *once) again() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.done = false
}
