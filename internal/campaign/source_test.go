package main

import (
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// forOthers are the files that write times for others to read.
var forOthers = map[string]bool{
	"frame.go": true, "amplitude/encode.go": true, "iterable/devices.go": true, "iterable/events.go": true, "mapping/insertid.go": true,
}

// No test can set the machine's clock or time a comparison, so this looks at the
// source: nothing goes by the wall clock, secrets are compared in constant time, and
// TLS is not switched off.
func TestF20Source(t *testing.T) {
	whole(t, "F20s", "wall clock, secrets and TLS in the source", counts{1, 1, 1}, func(t *testing.T, _ *rand.Rand, _ int) {
		out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "github.com/iteramp/iteramp").Output()
		require.NoError(t, err)
		root := strings.TrimSpace(string(out))
		constant, files := false, 0
		for _, dir := range []string{".", "amplitude", "iterable", "iterable/webhook", "mapping", "jetstream", "internal/rest", "internal/hook", "internal/ledger", "internal/idset", "internal/jsonscan"} {
			found, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
			require.NoError(t, err)
			for _, file := range found {
				if strings.HasSuffix(file, "_test.go") {
					continue
				}
				files++
				name := filepath.ToSlash(filepath.Join(dir, filepath.Base(file)))
				for _, call := range called(t, file) {
					switch call {
					case ".Unix", ".UnixNano", ".UnixMilli", ".Round(0)":
						require.True(t, forOthers[name], "%s calls %s: it goes by the wall clock", name, call)
					case "subtle.ConstantTimeCompare":
						constant = constant || name == "internal/hook/secrets.go"
					case "InsecureSkipVerify":
						t.Errorf("%s switches TLS off", name)
					}
				}
			}
		}
		require.Greater(t, files, 60)
		require.True(t, constant, "internal/hook/secrets.go does not compare in constant time")
	})
}

// called are the methods that a file calls, as ".Unix", and functions, as "subtle.X".
func called(t *testing.T, file string) (names []string) {
	parsed, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, 0)
	require.NoError(t, err)
	imported := make(map[string]bool)
	for _, spec := range parsed.Imports {
		imported[strings.Trim(filepath.Base(spec.Path.Value), `"`)] = true
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok {
				names = append(names, key.Name)
			}
		case *ast.CallExpr:
			sel, ok := n.Fun.(*ast.SelectorExpr)
			if !ok {
				break
			}
			name := "." + sel.Sel.Name
			if of, ok := sel.X.(*ast.Ident); ok && imported[of.Name] {
				name = of.Name + name
			}
			if lit, ok := only(n.Args).(*ast.BasicLit); ok && lit.Value == "0" {
				name += "(0)"
			}
			names = append(names, name)
		}
		return true
	})
	return names
}

func only(args []ast.Expr) ast.Expr {
	if len(args) != 1 {
		return nil
	}
	return args[0]
}
