package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"

	"github.com/iteramp/iteramp/amplitude"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

// maxWebhook is what a relay takes by default.
const maxWebhook = 1 << 20

// preview prints what one webhook would become, and returns the exit code: 0 it
// would be sent, 1 it would be skipped, 2 it is no webhook.
func preview(opts options, stdin io.Reader, stdout, stderr io.Writer) int {
	body, err := read(opts.preview, stdin)
	if err != nil {
		fmt.Fprintf(stderr, "quickstart: %v\n", err)
		return 2
	}
	in, err := webhook.Parse(body)
	if err != nil {
		fmt.Fprintf(stdout, "Refused, answered 400: %v\n", err)
		return 2
	}
	var rules mapping.Rules
	if opts.email {
		rules.UserID = mapping.UserIDOrEmail
	}
	event, err := rules.Event(in, time.Now())
	if skip, ok := errors.AsType[mapping.Skip](err); ok {
		fmt.Fprintf(stdout, "%s is skipped, answered 200:\n%s.\n", printable(string(in.Name)), why(skip))
		if skip == mapping.ErrNoUserID && !opts.email {
			fmt.Fprint(stdout, "Ask Iterable to switch on user IDs in system webhooks, or see -email.\n")
		}
		return 1
	}
	printEvent(stdout, in, event)
	printDecisions(stdout, rules.Explain(in))
	return 0
}

func read(file string, stdin io.Reader) ([]byte, error) {
	in := stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	body, err := io.ReadAll(io.LimitReader(in, maxWebhook+1))
	if len(body) > maxWebhook {
		err = errors.New("the webhook is larger than 1 MiB, a relay would answer 413")
	}
	return body, err
}

func printEvent(w io.Writer, in webhook.Event, event amplitude.Event) {
	when := event.Time.Format(time.RFC3339Nano)
	if in.CreatedAt.IsZero() {
		when = "when the webhook arrives: it has no readable createdAt"
	}
	fmt.Fprintf(w, "%s would be sent as\n\n", printable(string(in.Name)))
	for _, field := range [][2]string{
		{"event_type", event.EventType},
		{"user_id", event.UserID},
		{"time", when},
		{"insert_id", event.InsertID},
		{"platform", event.Platform},
	} {
		if field[1] != "" {
			fmt.Fprintf(w, "  %-12s%s\n", field[0], printable(field[1]))
		}
	}
}

// printDecisions prints a line for each field of the webhook.
func printDecisions(w io.Writer, decisions []mapping.Decision) {
	if len(decisions) == 0 {
		fmt.Fprint(w, "\nIt has no event properties: the webhook has no dataFields.\n")
		return
	}
	rows := [][3]string{{"WEBHOOK FIELD", "EVENT PROPERTY", "VALUE, OR WHAT ELSE BECAME OF IT"}}
	for _, d := range decisions {
		what := cmp.Or(d.Why, "sent as "+d.Fills)
		if d.Value != nil {
			what = compact(d.Value)
		}
		rows = append(rows, [3]string{d.Field, cmp.Or(d.As, "-"), what})
	}
	var widths [2]int
	for i, row := range rows {
		for j := range widths {
			rows[i][j] = cut(printable(row[j]), 26)
			widths[j] = max(widths[j], len([]rune(rows[i][j])))
		}
	}
	room := 80 - len("  ") - widths[0] - len("  ") - widths[1] - len("  ")
	fmt.Fprintln(w)
	for _, row := range rows {
		fmt.Fprintf(w, "  %-*s  %-*s  %s\n", widths[0], row[0], widths[1], row[1], cut(printable(row[2]), room))
	}
}

// compact puts a value on one line.
func compact(value json.RawMessage) string {
	var b bytes.Buffer
	if err := json.Compact(&b, value); err != nil {
		return string(value)
	}
	return b.String()
}

// printable replaces what could move a terminal's cursor: the text is a
// stranger's.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// cut shortens a text to a number of characters.
func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
