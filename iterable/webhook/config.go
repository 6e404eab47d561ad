package webhook

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"

	"github.com/iteramp/iteramp/internal/hook"
)

// HandlerConfig says whom a Handler believes. Only Secrets are required. It
// prints, marshals and logs without them, but not from inside an unexported
// field of a struct of yours: there fmt reads the strings themselves.
type HandlerConfig struct {
	// Secrets are the tokens that Iterable's webhook settings hold, whole: the
	// text that was typed there. One of them must come with each request.
	// Several allow a new one to be taken before the old one is gone. Each is
	// at least 8 bytes; less than 16 is warned about.
	Secrets []string
	// MaxBody is the size in bytes up to which a body is read. Zero means 1 MiB.
	MaxBody int64
	// Logger is told about short secrets and about panics, never about data.
	// Nil means silent.
	Logger *slog.Logger
}

// check returns all mistakes at once, by field and never by value.
func (cfg HandlerConfig) check() error {
	var all []error
	mistake := func(format string, args ...any) {
		all = append(all, fmt.Errorf("webhook: "+format, args...))
	}
	if len(cfg.Secrets) == 0 {
		mistake("Secrets is empty: anyone could send events")
	}
	for i, s := range cfg.Secrets {
		if err := hook.CheckSecret(s); err != nil {
			mistake("Secrets[%d] %w", i, err)
		}
	}
	if cfg.MaxBody < 0 {
		mistake("MaxBody is negative")
	}
	return errors.Join(all...)
}

func (cfg HandlerConfig) warn() {
	for i, s := range cfg.Secrets {
		if len(s) < hook.GoodSecret {
			cfg.Logger.Warn("webhook secret is short", "field", "Secrets["+strconv.Itoa(i)+"]", "recommended_bytes", hook.GoodSecret)
		}
	}
}

// redacted is what there is to know about a config. Every way of printing one
// ends here.
func (cfg HandlerConfig) redacted() string {
	return fmt.Sprintf("{Secrets:[%d redacted] MaxBody:%d}", len(cfg.Secrets), cfg.MaxBody)
}

// Format prints the config without its secrets, whatever the verb.
func (cfg HandlerConfig) Format(s fmt.State, _ rune) { io.WriteString(s, cfg.redacted()) }

// MarshalJSON encodes the config without its secrets.
func (cfg HandlerConfig) MarshalJSON() ([]byte, error) {
	return strconv.AppendQuote(nil, cfg.redacted()), nil
}

// LogValue logs the config without its secrets.
func (cfg HandlerConfig) LogValue() slog.Value { return slog.StringValue(cfg.redacted()) }
