package jetstream

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
)

// serverLog takes the server's log: what it warns of, and why it could not start.
type serverLog struct {
	log *slog.Logger

	mu     sync.Mutex
	fatal  error
	failed bool // a write of its own has
}

// Texts of the server's after which a stream takes nothing more. If they change,
// that it gives no answers tells it too, only later.
var writeFailures = []string{"Critical write error", "failed to store a msg"}

func (l *serverLog) writeFailed() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

func (l *serverLog) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

func (l *serverLog) Fatalf(format string, v ...any) {
	l.mu.Lock()
	l.fatal = fmt.Errorf(format, v...)
	l.mu.Unlock()
	l.Errorf(format, v...)
}

func (l *serverLog) Errorf(format string, v ...any) {
	text := fmt.Sprintf(format, v...)
	for _, failure := range writeFailures {
		if strings.Contains(text, failure) {
			l.mu.Lock()
			l.failed = true
			l.mu.Unlock()
		}
	}
	l.log.Error("the embedded server: " + text)
}

func (l *serverLog) Warnf(format string, v ...any) {
	l.log.Warn("the embedded server: " + fmt.Sprintf(format, v...))
}

func (l *serverLog) Noticef(string, ...any) {}
func (l *serverLog) Debugf(string, ...any)  {}
func (l *serverLog) Tracef(string, ...any)  {}
