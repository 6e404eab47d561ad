package main

import (
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"strings"
)

// source is where a secret is: {"env":"NAME"} or {"file":"PATH"}. The secret itself
// has no place in a file that is passed around.
type source struct {
	env, file string
	wrong     string // what is wrong with the form
	value     string
}

// UnmarshalJSON takes any JSON: what is wrong is told later, with all other
// mistakes.
func (s *source) UnmarshalJSON(text []byte) error {
	var form struct {
		Env  string `json:"env"`
		File string `json:"file"`
	}
	err := strict(text, &form)
	*s = source{env: form.Env, file: form.File}
	switch {
	case strings.HasPrefix(string(text), `"`):
		s.wrong = `must not be written here: say {"env":"NAME"} or {"file":"PATH"}`
	case err != nil || (form.Env == "") == (form.File == ""):
		s.wrong = `must be {"env":"NAME"} or {"file":"PATH"}`
	}
	return nil
}

func (s source) missing() bool { return s == source{} }

// reader reads sources and collects what is wrong, by field. It names neither
// variables nor files, because a secret may have been written in their place.
type reader struct {
	getenv func(string) string
	log    *slog.Logger
	errs   []error
}

func (r *reader) mistake(text string) { r.errs = append(r.errs, errors.New(text)) }

func (r *reader) required(s *source, field string) {
	if s.missing() {
		r.mistake(field + " is missing")
		return
	}
	r.optional(s, field)
}

func (r *reader) optional(s *source, field string) {
	switch {
	case s.wrong != "":
		r.mistake(field + " " + s.wrong)
	case s.env != "":
		if s.value = strings.TrimSpace(r.getenv(s.env)); s.value == "" {
			r.mistake(field + ": its environment variable is not set")
		}
	case s.file != "":
		r.readFile(s, field)
	}
}

const maxSecretFile = 64 << 10

func (r *reader) readFile(s *source, field string) {
	f, err := os.Open(s.file)
	if err != nil {
		r.mistake(field + ": its file: " + reasonOf(err))
		return
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSecretFile+1))
	switch s.value = strings.TrimSpace(string(text)); {
	case err != nil:
		r.mistake(field + ": its file: " + reasonOf(err))
	case len(text) > maxSecretFile:
		r.mistake(field + ": its file is too large for a secret")
	case s.value == "":
		r.mistake(field + ": its file is empty")
	}
	if info, err := f.Stat(); err == nil && runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 {
		r.log.Warn("others may read the file of a secret", "field", field)
	}
}

// reasonOf is an error without the file's name.
func reasonOf(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err.Error()
	}
	return err.Error()
}
