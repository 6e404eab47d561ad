package jetstream

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
)

// serverLog takes the server's log: what it warns of, and why it could not start.
type serverLog struct {
	log *slog.Logger

	mu    sync.Mutex
	fatal error
}

func (l *serverLog) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

func (l *serverLog) Fatalf(format string, v ...any) {
	l.mu.Lock()
	l.fatal = errors.New(fmt.Sprintf(format, v...))
	l.mu.Unlock()
	l.Errorf(format, v...)
}

func (l *serverLog) Errorf(format string, v ...any) {
	l.log.Error("the embedded server: " + fmt.Sprintf(format, v...))
}

func (l *serverLog) Warnf(format string, v ...any) {
	l.log.Warn("the embedded server: " + fmt.Sprintf(format, v...))
}

func (l *serverLog) Noticef(string, ...any) {}
func (l *serverLog) Debugf(string, ...any)  {}
func (l *serverLog) Tracef(string, ...any)  {}
