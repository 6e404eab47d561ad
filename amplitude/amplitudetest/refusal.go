package amplitudetest

import (
	"encoding/json"
	"net/http"
	"strings"
)

// refusal is the error of the Behavioral Cohorts API. Its fields are
// documented for POST /api/3/cohorts/upload; the fake answers all endpoints
// that need the secret key so, but the export. Which types there are is not
// documented.
//
// Source: https://amplitude.com/docs/apis/analytics/behavioral-cohorts
type refusal struct {
	HTTPCode int            `json:"http_code"`
	Type     string         `json:"type"`
	Message  string         `json:"message"`
	Metadata map[string]any `json:"metadata"`
}

const (
	typeBadRequest = "bad_request"
	typeForbidden  = "forbidden"
	typeNotFound   = "not_found"
	typeTooMany    = "too_many_requests"
)

func badRequest(message string) refusal {
	return refusal{HTTPCode: http.StatusBadRequest, Type: typeBadRequest, Message: message}
}

func notFound(message string) refusal {
	return refusal{HTTPCode: http.StatusNotFound, Type: typeNotFound, Message: message}
}

func tooManyRequests(message string) refusal {
	return refusal{HTTPCode: http.StatusTooManyRequests, Type: typeTooMany, Message: message}
}

// scripted is the refusal of a status that a test asked for; false if
// Amplitude's gateway would answer it with text.
func scripted(status int) (refusal, bool) {
	kinds := map[int]string{
		http.StatusBadRequest: typeBadRequest, http.StatusForbidden: typeForbidden,
		http.StatusNotFound: typeNotFound, http.StatusTooManyRequests: typeTooMany,
	}
	return refusal{HTTPCode: status, Type: kinds[status], Message: http.StatusText(status)}, kinds[status] != ""
}

func (r refusal) write(w http.ResponseWriter) {
	if r.Metadata == nil {
		r.Metadata = map[string]any{}
	}
	writeJSON(w, r.HTTPCode, map[string]any{"error": r})
}

func writeJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // the client is gone if it fails
}

// needsSecret is true for the endpoints that answer with a refusal.
func needsSecret(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/api/") && r.URL.Path != pathExport
}
