package iteramp_test

import (
	"cmp"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/iteramp/iteramp"

// allowed are the imports within the module, by package: everything points one
// way, and the two clients do not know each other.
var allowed = map[string][]string{
	".":                       {"mapping", "amplitude", "iterable", "iterable/webhook", "internal/rest", "internal/hook", "internal/idset", "internal/ledger"},
	"mapping":                 {"amplitude", "iterable", "iterable/webhook", "internal/jsonscan"},
	"amplitude":               {"internal/rest", "internal/jsonscan"},
	"amplitude/amplitudetest": {"amplitude", "internal/memory"},
	"iterable":                {"internal/rest"},
	"iterable/webhook":        {"internal/hook", "internal/jsonscan"},
	"iterable/iterabletest":   {"iterable", "iterable/webhook", "internal/memory"},
	"internal/rest":           {},
	"internal/idset":          {},
	"internal/ledger":         {"internal/idset"},
	"internal/memory":         {},
	"internal/hook":           {},
	"internal/jsonscan":       {},
	"internal/golden":         {},
	"internal/queuetest":      {"."},
}

// external are the only modules that shipped packages may import.
var external = []string{"github.com/google/go-querystring", "golang.org/x/time"}

// testOnly packages are imported by tests alone, which testify may reach.
var testOnly = map[string]bool{"internal/golden": true}

// pure are the packages that have no context, clock, randomness, I/O or logger.
var pure = map[string][]string{
	"mapping": {"context", "crypto/rand", "io", "io/fs", "log", "log/slog", "math/rand", "math/rand/v2", "net", "net/http", "os"},
}

func TestImportsPointOneWay(t *testing.T) {
	t.Parallel()
	seen := make(map[string]bool)
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != "." && isModule(t, file):
			return filepath.SkipDir
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && file != "." || d.Name() == "testdata"):
			return filepath.SkipDir
		case !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		pkg := filepath.ToSlash(filepath.Dir(file))
		seen[pkg] = true
		checkImports(t, pkg, file)
		return nil
	})
	require.NoError(t, err)
	require.Contains(t, seen, ".")
	require.Contains(t, seen, "amplitude/amplitudetest")
}

func isModule(t *testing.T, dir string) bool {
	found, err := filepath.Glob(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	return len(found) > 0
}

func checkImports(t *testing.T, pkg, file string) {
	f, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, parser.ImportsOnly)
	require.NoError(t, err)
	ours, known := allowed[pkg]
	require.True(t, known, "%s: say in imports_test.go what the new package may import", pkg)
	for _, spec := range f.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		require.NoError(t, err)
		if rest, ok := strings.CutPrefix(name, module); ok {
			require.Contains(t, ours, cmp.Or(strings.TrimPrefix(rest, "/"), "."), "%s must not import it", file)
			continue
		}
		require.NotContains(t, pure[pkg], name, "%s must stay pure", file)
		if !strings.Contains(strings.Split(name, "/")[0], ".") {
			continue // the standard library
		}
		ok := testOnly[pkg]
		for _, m := range external {
			ok = ok || name == m || strings.HasPrefix(name, m+"/")
		}
		require.True(t, ok, "%s imports %s", file, path.Base(name))
	}
}
