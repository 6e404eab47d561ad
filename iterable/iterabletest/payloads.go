package iterabletest

import (
	"bytes"
	"embed"
	"iter"
	"net/http"
	"path"
	"strings"

	"github.com/iteramp/iteramp/iterable/webhook"
)

//go:embed testdata/webhooks/*.json
var files embed.FS

const dir = "testdata/webhooks"

// standard names the payload of an event for which there is more than one and
// none is called just like it.
var standard = map[webhook.Name]string{
	webhook.EmailSend:     "emailSend-blast",
	webhook.EmailSendSkip: "emailSendSkip-full",
}

// Payload returns the body of a usual webhook of that name, which is the
// caller's to change, or nil for a name that is not one of webhook's constants.
// All of them are of users with a userId, except InAppRecall.
func Payload(name webhook.Name) []byte {
	file := standard[name]
	if file == "" {
		file = string(name)
	}
	if !name.Known() {
		return nil
	}
	return read(file + ".json")
}

// Payloads ranges over all bodies by name, such as "emailClick-bot", in
// the order of their files: usual ones, old ones and odd ones, among them three that
// are no system webhook.
func Payloads() iter.Seq2[string, []byte] {
	return func(yield func(name string, body []byte) bool) {
		entries, err := files.ReadDir(dir)
		if err != nil {
			panic(err) // the directory is embedded
		}
		for _, e := range entries {
			if !yield(strings.TrimSuffix(e.Name(), ".json"), read(e.Name())) {
				return
			}
		}
	}
}

func read(file string) []byte {
	body, err := files.ReadFile(path.Join(dir, file))
	if err != nil {
		panic(err) // there is a file for every name, and a test that says so
	}
	return body
}

// WebhookRequest returns the request with which Iterable sends a body: a POST
// whose Authorization header is the token alone, as Iterable's type Basic has
// it, or missing if token is "". It suits an http.Handler as it is, and an
// http.Client once its URL is the receiver's:
//
//	req.URL, err = url.Parse(server.URL + "/iterable")
func WebhookRequest(token string, body []byte) *http.Request {
	req, err := http.NewRequest(http.MethodPost, "https://relay.example.com/iterable", bytes.NewReader(body))
	if err != nil {
		panic(err) // the URL is a constant
	}
	req.Host = "" // follows the URL when that is set to another
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	return req
}
