package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"

	"github.com/iteramp/iteramp/internal/hook"
)

// Handler is the http.Handler that Iterable sends webhooks to, on any path. It
// is safe for concurrent use. The zero Handler answers 503.
type Handler struct {
	take  func(context.Context, Event) error
	match func(authorization string) int // a func, so that no print of a Handler shows what it compares with
	max   int64
	log   *slog.Logger
}

// NewHandler returns a Handler that calls fn with each webhook that carries one
// of the secrets, or one error that names every mistake in cfg.
//
// Once fn returns nil the webhook is answered 200 and Iterable forgets it: store
// or deliver it before. An error, or a panic, is answered 503 and asks for
// another try, which Iterable may or may not make. Return nil for events that
// are not wanted. The event and its bytes are fn's to keep; its context ends
// with the request.
//
// What is not for fn is refused: 405, 415, 413 and 401 by its headers, 400 if
// [Parse] does.
func NewHandler(cfg HandlerConfig, fn func(context.Context, Event) error) (*Handler, error) {
	err := cfg.check()
	if fn == nil {
		err = errors.Join(err, errors.New("webhook: the func is nil"))
	}
	if err != nil {
		return nil, err
	}
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	cfg.warn()
	secrets := hook.NewSecrets(cfg.Secrets...)
	return &Handler{
		take:  fn,
		match: func(authorization string) int { return secrets.Match(Tokens(authorization)) },
		max:   cmp.Or(cfg.MaxBody, hook.DefaultMaxBody),
		log:   cfg.Logger,
	}, nil
}

// ServeHTTP answers one webhook.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.match == nil {
		hook.Refuse(w, http.StatusServiceUnavailable, "")
		return
	}
	status := hook.Check(r, h.max)
	if status == 0 && h.match(r.Header.Get("Authorization")) < 0 {
		status = http.StatusUnauthorized
	}
	var body []byte
	if status == 0 {
		body, status = hook.Read(w, r, h.max)
	}
	if status != 0 {
		hook.Refuse(w, status, "")
		return
	}
	event, err := Parse(body)
	if err != nil {
		hook.Refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	if err := h.call(r.Context(), event); err != nil {
		hook.Refuse(w, http.StatusServiceUnavailable, "")
		return
	}
	w.WriteHeader(http.StatusOK)
}

// call runs the caller's func. Its panic must not reach net/http, which would
// break the connection and so answer nothing. Of the panic's value only the
// type is logged: the value may hold the event.
func (h *Handler) call(ctx context.Context, e Event) (err error) {
	defer func() {
		if v := recover(); v != nil {
			h.log.LogAttrs(ctx, slog.LevelError, "webhook func panicked",
				slog.String("type", fmt.Sprintf("%T", v)), slog.String("stack", string(debug.Stack())))
			err = errors.New("panic")
		}
	}()
	return h.take(ctx, e)
}
