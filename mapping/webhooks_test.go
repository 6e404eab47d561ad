package mapping_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/iterable/iterabletest"
	"github.com/iteramp/iteramp/iterable/webhook"
	"github.com/iteramp/iteramp/mapping"
)

func TestOutcomeOfEveryPayload(t *testing.T) {
	t.Parallel()
	n := 0
	for name, body := range iterabletest.Payloads() {
		n++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, ok := outcomes[name]
			require.True(t, ok, "no outcome is known")
			in, err := webhook.Parse(body)
			if want.insertID == "" {
				require.ErrorIs(t, err, want.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, want.insertID, mapping.Rules{}.InsertID(in))
			require.Equal(t, want.eventType, mapping.EventType(in.Name))

			got, err := mapping.Rules{}.Event(in, received)
			require.Equal(t, want.err, err)
			if err != nil {
				require.Zero(t, got)
				return
			}
			if want.millis == 0 {
				want.millis = received.UnixMilli()
			}
			require.Equal(t, want, outcome{nil, got.EventType, got.UserID, got.Time.UnixMilli(), got.InsertID})
		})
	}
	require.Len(t, outcomes, n)
}
