package iteramp

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAFrameIsReadAsItWasWritten(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 5, 4, 9, 15, 40, 123456789, time.UTC)
	want := []record{{at, 0, []byte("{}")}, {at.Add(time.Second), 3, []byte{}}, {at, 255, bytes.Repeat([]byte("x"), 1<<20)}}
	var frame []byte
	size := 1
	for _, r := range want {
		frame = appendRecord(frame, r)
		size += recordHead + len(r.body)
	}
	require.LessOrEqual(t, len(frame), size)
	got, err := readFrame(frame)
	require.NoError(t, err)
	require.Equal(t, len(want), len(got))
	for i := range want {
		require.True(t, want[i].received.Equal(got[i].received))
		require.Equal(t, want[i].secret, got[i].secret)
		require.True(t, bytes.Equal(want[i].body, got[i].body))
	}
	for cut := range len(frame) - 1 {
		if cut > 100 && cut < len(frame)-100 {
			continue
		}
		if records, err := readFrame(frame[:cut]); err == nil {
			require.Less(t, len(records), len(want), "only between records")
		}
	}
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{frameVersion})
	f.Add(appendRecord(appendRecord(nil, record{time.Now(), 1, []byte("{}")}), record{body: []byte("x")}))
	f.Add(bytes.Repeat([]byte{255}, 30))
	f.Fuzz(func(t *testing.T, frame []byte) {
		records, err := readFrame(frame)
		if err != nil {
			return
		}
		var again []byte
		for _, r := range records {
			again = appendRecord(again, r)
		}
		got, err := readFrame(again)
		require.NoError(t, err)
		require.Equal(t, records, got)
	})
}
