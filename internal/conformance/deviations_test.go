package conformance

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEachDeviationIsNeededByAnExchange(t *testing.T) {
	t.Parallel()
	all, err := traffic()
	require.NoError(t, err)
	file := exercised(t)
	for i, d := range deviations {
		t.Run(strings.Join(d.at, " "), func(t *testing.T) {
			require.NotEmpty(t, d.why)
			without, err := load(file, slices.Delete(slices.Clone(deviations), i, i+1))
			require.NoError(t, err)
			require.True(t, slices.ContainsFunc(all, without.refuses), "every exchange passes without it")
		})
	}
}

// exercised is the file without what no exchange needs, which loads in a quarter of
// the time.
func exercised(t *testing.T) []byte {
	var file map[string]any
	require.NoError(t, json.Unmarshal(swagger, &file))
	paths, definitions := file["paths"].(map[string]any), file["definitions"].(map[string]any)
	maps.DeleteFunc(paths, func(path string, _ any) bool {
		return !slices.ContainsFunc(limited(), func(op string) bool { return strings.HasSuffix(op, " "+path) })
	})
	for before := 0; before != len(definitions); {
		before = len(definitions)
		text, err := json.Marshal(file)
		require.NoError(t, err)
		maps.DeleteFunc(definitions, func(name string, _ any) bool {
			return !strings.Contains(string(text), `"#/definitions/`+name+`"`)
		})
	}
	text, err := json.Marshal(file)
	require.NoError(t, err)
	return text
}

// refuses says whether the document refuses an exchange that it should take.
func (d *document) refuses(x exchange) bool {
	return !x.use.broken && d.checkRequest(x) != nil || d.checkReply(x) != nil
}

func TestADeviationFromWhatTheFileDoesNotSayIsRefused(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]deviation{
		"another value":        {at: property("ListDetails", "createdAt", "format"), was: `"int16"`, is: `"int64"`},
		"an unknown field":     {at: property("ListDetails", "madeAt", "format"), was: `"int32"`, is: `"int64"`},
		"a value it has":       {at: property("IterableApiResponse", "code", "enum", "-"), is: `"Success"`},
		"an unknown operation": {at: operation("GET /api/list", "produces"), is: `["text/plain"]`},
	} {
		_, err := load(swagger, []deviation{d})
		require.ErrorContains(t, err, "the file does not have", name)
	}
}
