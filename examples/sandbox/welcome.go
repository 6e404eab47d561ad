package main

import (
	"io"
	"text/template"
)

// The lines can be pasted into a shell as they are.
var welcomeText = template.Must(template.New("welcome").Parse(`Amplitude  http://{{.Amplitude}}
           API key {{.APIKey}}, secret key {{.SecretKey}}
Iterable   http://{{.Iterable}}
           Api-Key: {{.IterableKey}}
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

Put a user on a list of Iterable, and read it:

  curl -s http://{{.Iterable}}/api/lists -H 'Api-Key: {{.IterableKey}}'
  curl -s http://{{.Iterable}}/api/lists/subscribe -H 'Api-Key: {{.IterableKey}}' \
    -H 'Content-Type: application/json' -d '{"listId":LIST,"subscribers":[{"email":"ben@example.com"}]}'
  curl -s 'http://{{.Iterable}}/api/lists/getUsers?listId=LIST' -H 'Api-Key: {{.IterableKey}}'

Make a list of a cohort, with -apply:

  AMPLITUDE_API_KEY={{.APIKey}} AMPLITUDE_SECRET_KEY={{.SecretKey}} ITERABLE_API_KEY={{.IterableKey}} \
    go run ./examples/cohortsync -cohort {{.Cohort}} -project-type {{.ProjectType}} -ledger ./ledgers \
    -amplitude-url http://{{.Amplitude}} -iterable-url http://{{.Iterable}}

Ctrl-C stops it. The log follows.

`))

func welcome(w io.Writer, opts options) error {
	return welcomeText.Execute(w, map[string]string{
		"Amplitude":   opts.amplitude,
		"Iterable":    opts.iterable,
		"Relay":       opts.relay,
		"APIKey":      opts.apiKey,
		"SecretKey":   opts.secretKey,
		"IterableKey": opts.iterableKey,
		"ProjectType": string(opts.projectType),
		"Cohort":      cohortID,
		"Secret":      opts.secret,
	})
}
