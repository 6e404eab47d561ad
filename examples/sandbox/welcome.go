package main

import (
	"io"
	"text/template"
)

// The lines can be pasted into a shell as they are.
var welcomeText = template.Must(template.New("welcome").Parse(`Amplitude  http://{{.Amplitude}}
           API key {{.APIKey}}, secret key {{.SecretKey}}
Relay      http://{{.Relay}}/iterable
           Authorization: {{.APIKey}}:{{.Secret}}
Page       http://{{.Relay}}/

Send a webhook, as Iterable does:

  curl -i http://{{.Relay}}/iterable \
    -H 'Authorization: {{.APIKey}}:{{.Secret}}' \
    -H 'Content-Type: application/json' \
    -d '{"eventName":"emailClick","userId":"user-1","dataFields":{"campaignId":1}}'

Upload an event to Amplitude:

  curl -i http://{{.Amplitude}}/2/httpapi \
    -H 'Content-Type: application/json' \
    -d '{"api_key":"{{.APIKey}}","events":[{"user_id":"user-1","event_type":"Signed Up"}]}'

Export what Amplitude has received this hour:

  curl -s -o export.zip -u {{.APIKey}}:{{.SecretKey}} \
    "http://{{.Amplitude}}/api/2/export?start=$(date -u +%Y%m%dT%H)&end=$(date -u +%Y%m%dT%H)"
  unzip -p export.zip | gunzip

Ctrl-C stops it. The log follows.

`))

func welcome(w io.Writer, opts options) error {
	return welcomeText.Execute(w, map[string]string{
		"Amplitude": opts.amplitude,
		"Relay":     opts.relay,
		"APIKey":    opts.apiKey,
		"SecretKey": opts.secretKey,
		"Secret":    opts.secret,
	})
}
