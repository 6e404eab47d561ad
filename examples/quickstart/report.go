package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/iteramp/iteramp"
	"github.com/iteramp/iteramp/mapping"
)

// shown is the example that is printed before and after.
const shown = "smsClick"

// counts are webhooks by what became of them; together they are all.
type counts struct {
	events  int // in Amplitude, each once
	repeats int // recognised as one of those
	skipped int
	refused int // no system webhooks
	failed  int // never, if all is well
}

func (c counts) String() string {
	s := fmt.Sprintf("%d arrived + %d came again + %d skipped + %d refused", c.events, c.repeats, c.skipped, c.refused)
	if c.failed > 0 {
		s += fmt.Sprintf(" + %d not delivered", c.failed)
	}
	return s
}

// expected is what the 98 examples come to. The 9 repeats are one send in six
// spellings of its date, and four events that exist in two shapes.
var expected = counts{events: 78, repeats: 9, skipped: 8, refused: 3}

// group is the files with something in common.
type group struct {
	label string
	files []string
}

// tally sorts the webhooks of an outcome.
type tally struct {
	counts
	types                             map[string]int // events by type
	repeated, skips, refusals, others []group
}

func newTally(out outcome) tally {
	t := tally{types: make(map[string]int)}
	first := make(map[string]string) // insert_id: the file it came with
	for _, r := range out.results {
		o := r.outcome
		switch {
		case r.status == http.StatusBadRequest:
			t.refused++
			t.refusals = add(t.refusals, r.text, r.file)
		case o.Fate == iteramp.Skipped:
			t.skipped++
			t.skips = add(t.skips, why(mapping.Skip(o.Reason)), r.file)
		case o.Fate != iteramp.Delivered:
			t.failed++
			t.others = add(t.others, fmt.Sprintf("%d: %v", r.status, o.Err), r.file)
		case first[o.InsertID] != "":
			t.repeats++
			t.repeated = add(t.repeated, first[o.InsertID]+" also came as", r.file)
		default:
			first[o.InsertID] = r.file
			if out.live {
				t.types[mapping.EventType(o.Name)]++
			}
		}
	}
	t.events = len(first)
	if !out.live { // then what is there counts, not what was answered
		t.events = len(out.rows)
		for _, row := range out.rows {
			t.types[row.EventType]++
		}
	}
	return t
}

func add(groups []group, label, file string) []group {
	i := slices.IndexFunc(groups, func(g group) bool { return g.label == label })
	if i < 0 {
		return append(groups, group{label, []string{file}})
	}
	groups[i].files = append(groups[i].files, file)
	return groups
}

// why says in words why an event is skipped.
func why(s mapping.Skip) string {
	switch s {
	case mapping.ErrNoUserID:
		return "no userId, so nobody to attribute the event to"
	case mapping.ErrRefusedUserID:
		return `a placeholder for a userId, such as "0", which Amplitude refuses`
	}
	return string(s)
}

// report prints what became of the examples and returns the exit code.
func report(w io.Writer, out outcome) int {
	t := newTally(out)
	amplitude, source := "a fake Amplitude, by HTTP on\nthis machine. Nothing left it", "read back through Amplitude's export API"
	if out.live {
		amplitude, source = "Amplitude", "as Amplitude answered"
	}
	fmt.Fprintf(w, "%d Iterable webhooks went to a relay, its events to %s.\n", len(out.results), amplitude)
	printExample(w, out)
	fmt.Fprintf(w, "\nARRIVED: %d events, %s\n\n", t.events, source)
	printTypes(w, t.types)
	printGroups(w, "CAME AGAIN: %d webhooks; same insert_id, so Amplitude counts them once", t.repeats, t.repeated)
	printGroups(w, "SKIPPED: %d webhooks, on purpose; answered 200", t.skipped, t.skips)
	printGroups(w, "REFUSED: %d requests, no system webhooks; answered 400", t.refused, t.refusals)
	printGroups(w, "NOT DELIVERED: %d webhooks", t.failed, t.others)
	fmt.Fprintf(w, "\n%d sent = %v", len(out.results), t.counts)
	if t.counts != expected {
		fmt.Fprintf(w, "\nNOT as expected: %v\n", expected)
		return 1
	}
	fmt.Fprint(w, ", as expected\n\nTo see what becomes of a webhook of yours, field by field: -preview FILE\n")
	return 0
}

// printExample prints one webhook and the event it became.
func printExample(w io.Writer, out outcome) {
	i := slices.IndexFunc(out.results, func(r result) bool { return r.file == shown })
	if i < 0 {
		return
	}
	r := out.results[i]
	j := slices.IndexFunc(out.rows, func(row row) bool { return row.InsertID == r.outcome.InsertID })
	if j < 0 {
		return // live, or it never arrived
	}
	fmt.Fprintf(w, "\nBEFORE: a webhook, as Iterable sends it\n\n%s\n", pretty(r.body))
	fmt.Fprintf(w, "\nAFTER: the event, as Amplitude exports it\n\n%s\n", pretty(encode(out.rows[j])))
}

func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // & is & to people
	if err := enc.Encode(v); err != nil {
		return []byte(err.Error())
	}
	return b.Bytes()
}

func pretty(body []byte) string {
	var b bytes.Buffer
	if err := json.Indent(&b, bytes.TrimSpace(body), "  ", "  "); err != nil {
		return string(body)
	}
	return "  " + b.String()
}

// printTypes prints a table in two columns, to be read downwards.
func printTypes(w io.Writer, types map[string]int) {
	names := slices.Sorted(maps.Keys(types))
	half := (len(names) + 1) / 2
	for i, left := range names[:half] {
		fmt.Fprintf(w, "  %-34s %2d", left, types[left])
		if i+half < len(names) {
			right := names[i+half]
			fmt.Fprintf(w, "   %-34s %2d", right, types[right])
		}
		fmt.Fprintln(w)
	}
}

func printGroups(w io.Writer, title string, n int, groups []group) {
	if n == 0 {
		return
	}
	fmt.Fprintf(w, "\n"+title+"\n\n", n)
	for _, g := range groups {
		fmt.Fprintf(w, "  %s\n%s", g.label, wrapped(g.files))
	}
}

// wrapped lists words in lines of 80 columns at most.
func wrapped(words []string) string {
	const margin, width = "    ", 80
	var b strings.Builder
	line := margin + words[0]
	for _, word := range words[1:] {
		if len(line)+len(", ")+len(word)+len(",") > width {
			b.WriteString(line + ",\n")
			line = margin + word
			continue
		}
		line += ", " + word
	}
	return b.String() + line + "\n"
}
