package golden

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestJSONComparesNumbersDigitByDigit(t *testing.T) { // not parallel: it sets the flag
	file := filepath.Join(t.TempDir(), "deep", "n.json")
	*update = true
	JSON(t, file, json.RawMessage(`{"n":9007199254740993,"url":"a&b"}`))
	*update = false
	JSON(t, file, json.RawMessage(`{ "n": 9007199254740993, "url": "a&b" }`))

	failed := &recorder{TB: t}
	require.Panics(t, func() { JSON(failed, file, json.RawMessage(`{"n":9007199254740992,"url":"a&b"}`)) })
	require.True(t, failed.failed)
}

// recorder notes that a test would have failed.
type recorder struct {
	testing.TB
	failed bool
}

func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) FailNow()              { panic("failed") }
