package amplitudetest

import (
	"net/http"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/internal/memory"
)

// Config returns the settings of a client that reaches the fake in memory,
// without a socket: it works inside a testing/synctest bubble. Every other
// field is the client's default and may be changed.
func (f *Fake) Config() amplitude.Config {
	return amplitude.Config{
		APIKey:     f.apiKey(),
		SecretKey:  f.secretKey(),
		BaseURL:    "https://amplitudetest.invalid",
		HTTPClient: &http.Client{Transport: memory.Transport{Handler: f}},
	}
}
