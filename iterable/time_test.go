package iterable

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestTimesAreReadInEachOfTheirForms(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Time{
		`1777879872000`:                   created,
		`"1777879872000"`:                 created,
		`1.777879872e12`:                  created,
		`"2026-05-04 07:31:12 +00:00"`:    created,
		`"2026-05-04 09:31:12 +02:00"`:    created,
		`"2026-05-04T07:31:12Z"`:          created,
		`"2026-05-04T07:31:12.000-00:00"`: created,
		`"2026-05-04T09:31:12.5+0200"`:    created.Add(500 * time.Millisecond),
		`"2026-05-04 07:31:12"`:           created,
		`0`:                               time.UnixMilli(0).UTC(),
		`null`:                            {}, `""`: {}, `"soon"`: {}, `{}`: {}, `[1]`: {}, `true`: {}, `1e300`: {}, `-1e300`: {}, `"Inf"`: {}, `"NaN"`: {}, `253402300800000`: {},
	} {
		var list List
		require.NoError(t, json.Unmarshal([]byte(`{"id":42,"createdAt":`+text+`}`), &list), text)
		require.Equal(t, List{ID: 42, CreatedAt: want}, list, text)
		_, err := json.Marshal(list)
		require.NoError(t, err)
	}
}

func TestEventsCarryTheirTimeInSeconds(t *testing.T) {
	t.Parallel()
	for want, at := range map[string]time.Time{
		`{"eventName":"x"}`:                        {},
		`{"eventName":"x","createdAt":0}`:          time.Unix(0, 0),
		`{"eventName":"x","createdAt":-1}`:         time.Unix(-1, 0),
		`{"eventName":"x","createdAt":1777879872}`: created.Add(900 * time.Millisecond).In(time.FixedZone("", 3600)),
	} {
		got, err := json.Marshal(Event{Name: "x", CreatedAt: at})
		require.NoError(t, err)
		require.JSONEq(t, want, string(got))
	}
}
