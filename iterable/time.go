package iterable

import (
	"encoding/json"
	"math"
	"time"
)

// timestamp reads the forms in which Iterable writes a time: milliseconds since
// 1970, ISO 8601, and "2026-05-04 07:31:12 +00:00". What it cannot read is the zero
// time: no reply is lost over a date.
type timestamp time.Time

// lastMilli is the first moment of the year 10000, which no text form can hold.
const lastMilli = 253_402_300_800_000

var layouts = []string{"2006-01-02 15:04:05 -07:00", time.RFC3339, "2006-01-02T15:04:05.999-0700", time.DateTime}

func (t *timestamp) UnmarshalJSON(b []byte) error {
	if ms, ok := number(b); ok && math.Abs(ms) < lastMilli {
		*t = timestamp(time.UnixMilli(int64(ms)).UTC())
		return nil
	}
	var text string
	if json.Unmarshal(b, &text) == nil {
		*t = timestamp(parseTime(text))
	}
	return nil
}

func parseTime(text string) time.Time {
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}
