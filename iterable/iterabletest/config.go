package iterabletest

import (
	"net/http"

	"github.com/iteramp/iteramp/internal/memory"
	"github.com/iteramp/iteramp/iterable"
)

// Config returns the settings of a client that reaches the fake in memory,
// without a socket: it works inside a testing/synctest bubble. Every other
// field is the client's default and may be changed.
func (f *Fake) Config() iterable.Config {
	return iterable.Config{
		APIKey:      f.apiKey(),
		ProjectType: f.projectType(),
		BaseURL:     "https://iterabletest.invalid",
		HTTPClient:  &http.Client{Transport: memory.Transport{Handler: f}},
	}
}
