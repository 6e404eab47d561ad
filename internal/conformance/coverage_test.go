package conformance

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"

	"github.com/stretchr/testify/require"

	"github.com/iteramp/iteramp/iterable"
)

func TestCoverage(t *testing.T) {
	t.Parallel()
	all, err := traffic()
	require.NoError(t, err)
	covered := make(map[string][]exchange)
	for _, x := range all {
		covered[x.op] = append(covered[x.op], x)
	}
	require.Equal(t, limited(), slices.Sorted(maps.Keys(covered)), "the operations that have a limit, and those that were exercised")
	t.Logf("%d of %d operations\n%s", len(covered), len(declared()), table(covered))
	for _, op := range limited() {
		if missing := unseen(replyFields(op), covered[op], replied); len(missing) > 0 {
			t.Logf("the fake never answers %s with %s", op, strings.Join(missing, ", "))
		}
	}
}

func TestEachMethodOfTheClientIsExercised(t *testing.T) {
	t.Parallel()
	var used []string
	for _, u := range uses {
		if u.name == minimal {
			used = append(used, u.method)
		}
	}
	slices.Sort(used)
	require.Equal(t, methods(), used)
	for _, u := range uses {
		require.Contains(t, used, u.method)
	}
}

func TestEachFieldOfTheDocumentIsSentBySomeRequest(t *testing.T) {
	t.Parallel()
	all, err := traffic()
	require.NoError(t, err)
	for _, op := range limited() {
		made := slices.DeleteFunc(slices.Clone(all), func(x exchange) bool { return x.op != op || x.use.broken })
		require.Empty(t, unseen(requestFields(op), made, requested), "%s: what the client cannot send", op)
	}
}

// methods are those of the client's services, as "Lists.Create".
func methods() []string {
	var all []string
	client := reflect.TypeFor[iterable.Client]()
	for i := range client.NumField() {
		field := client.Field(i)
		if !field.IsExported() {
			continue
		}
		service := reflect.PointerTo(field.Type)
		for j := range service.NumMethod() {
			all = append(all, field.Name+"."+service.Method(j).Name)
		}
	}
	slices.Sort(all)
	return all
}

// table has a line for each operation, by tag.
func table(covered map[string][]exchange) string {
	byTag, declaredByTag := make(map[string][]string), make(map[string]int)
	for _, op := range declared() {
		tag := operationOf(op).Tags[0]
		declaredByTag[tag]++
		if covered[op] != nil {
			byTag[tag] = append(byTag[tag], op)
		}
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, tag := range slices.Sorted(maps.Keys(declaredByTag)) {
		fmt.Fprintf(w, "%s\t%d of %d\n", tag, len(byTag[tag]), declaredByTag[tag])
		for _, op := range byTag[tag] {
			fmt.Fprintf(w, "  %s\t%d exchanges\t%s\n", op, len(covered[op]), statuses(covered[op]))
		}
	}
	_ = w.Flush() // to memory
	return b.String()
}

func statuses(of []exchange) string {
	seen := make(map[int]bool)
	for _, x := range of {
		seen[x.status] = true
	}
	return strings.Trim(fmt.Sprint(slices.Sorted(maps.Keys(seen))), "[]")
}
