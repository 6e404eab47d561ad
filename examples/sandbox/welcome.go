package main

import (
	"io"
	"text/template"

	"github.com/iteramp/iteramp/iterable"
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
    -H 'Content-Type: application/json' -d '{"listId":{{.List}},"subscribers":[{{.Subscriber}}]}'
  curl -s 'http://{{.Iterable}}/api/lists/getUsers?listId={{.List}}' -H 'Api-Key: {{.IterableKey}}'

See what would make a list of a cohort, and with -apply make it:

  AMPLITUDE_API_KEY={{.APIKey}} AMPLITUDE_SECRET_KEY={{.SecretKey}} ITERABLE_API_KEY={{.IterableKey}} \
    go run ./examples/cohortsync -cohort {{.Cohort}} -project-type {{.ProjectType}} -ledger ./ledgers \
    -amplitude-url http://{{.Amplitude}} -iterable-url http://{{.Iterable}}

Ctrl-C stops it. The log follows.

`))

func welcome(w io.Writer, opts options, list int64) error {
	subscriber := `{"userId":"eve-1005"}`
	if opts.projectType == iterable.ProjectTypeEmail {
		subscriber = `{"email":"eve@example.com"}`
	}
	return welcomeText.Execute(w, map[string]any{
		"Amplitude":   opts.amplitude,
		"Iterable":    opts.iterable,
		"Relay":       opts.relay,
		"APIKey":      opts.apiKey,
		"SecretKey":   opts.secretKey,
		"IterableKey": opts.iterableKey,
		"ProjectType": opts.projectType,
		"List":        list,
		"Subscriber":  subscriber,
		"Cohort":      cohortID,
		"Secret":      opts.secret,
	})
}
