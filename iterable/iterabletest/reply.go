package iterabletest

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
)

// reply is what an operation answers: one of JSON, text lines, or a page.
type reply struct {
	status int
	json   any
	lines  []string
	text   string
	html   string
	header map[string]string
}

// envelope is how most writes and most errors are answered.
type envelope struct {
	Msg    string `json:"msg"`
	Code   string `json:"code"`
	Params any    `json:"params"`
}

func ok(v any) reply { return reply{status: http.StatusOK, json: v} }

func success(msg string) reply { return said(http.StatusOK, "Success", msg, nil) }

func said(status int, code, msg string, params any) reply {
	return reply{status: status, json: envelope{msg, code, params}}
}

func badParams(msg string, params any) reply {
	return said(http.StatusBadRequest, "BadParams", msg, params)
}

func (r reply) write(w http.ResponseWriter) {
	for name, value := range r.header {
		w.Header().Set(name, value)
	}
	switch {
	case r.json != nil:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(r.status)
		_ = json.NewEncoder(w).Encode(r.json) // the client is gone if it fails
	case r.html != "":
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(r.status)
		_, _ = io.WriteString(w, r.html)
	default:
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(r.status)
		r.stream(w)
	}
}

// stream ends every line but the last with a newline, as observed: a final
// newline may be there or not.
func (r reply) stream(w io.Writer) {
	b := bufio.NewWriter(w)
	_, _ = b.WriteString(r.text)
	for i, line := range r.lines {
		if i > 0 {
			_ = b.WriteByte('\n')
		}
		_, _ = b.WriteString(line)
	}
	_ = b.Flush()
}

// page is the kind of answer that comes from in front of the API.
func page(status int) reply {
	text := http.StatusText(status)
	return reply{status: status, html: "<!DOCTYPE html>\n<html><head><title>" + text + "</title></head><body><h1>" + text + "</h1></body></html>\n"}
}
