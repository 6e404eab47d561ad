package amplitudetest

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strconv"
)

type operator struct {
	name  string
	apply func(properties map[string]any, name string, value any)
}

// operators in the order in which Amplitude applies them, which a comment of
// its TypeScript SDK gives. The reference promises the first five of HTTP V2
// for $identify only ($set, $setOnce, $add, $append, $unset); senders use all
// of them on any event, and so does the fake.
//
// Source: https://amplitude.com/docs/apis/analytics/identify
var operators = []operator{
	{"$unset", func(p map[string]any, name string, _ any) { delete(p, name) }},
	{"$set", func(p map[string]any, name string, value any) { p[name] = value }},
	{"$setOnce", setOnce},
	{"$add", add},
	{"$append", func(p map[string]any, name string, value any) { p[name] = join(p[name], value) }},
	{"$prepend", func(p map[string]any, name string, value any) { p[name] = join(value, p[name]) }},
	{"$preInsert", func(p map[string]any, name string, value any) {
		p[name] = join(without(value, list(p[name])), p[name])
	}},
	{"$postInsert", func(p map[string]any, name string, value any) {
		p[name] = join(p[name], without(value, list(p[name])))
	}},
	{"$remove", remove},
}

const clearAll = "$clearAll" // has a value instead of properties, "-" by convention

func isOperator(name string) bool {
	return name == clearAll || slices.ContainsFunc(operators, func(o operator) bool { return o.name == name })
}

// apply returns properties with a change, which is either plain properties or
// operators. It leaves its arguments alone.
func apply(properties, change map[string]any) map[string]any {
	result := maps.Clone(properties)
	if result == nil {
		result = make(map[string]any)
	}
	for name := range change {
		if !isOperator(name) { // then none is
			maps.Copy(result, change)
			return result
		}
	}
	if _, ok := change[clearAll]; ok {
		clear(result)
	}
	for _, operator := range operators {
		for name, value := range object(change, operator.name) {
			operator.apply(result, name, value)
		}
	}
	return result
}

func setOnce(p map[string]any, name string, value any) {
	if _, ok := p[name]; !ok {
		p[name] = value
	}
}

// add counts from 0 where there is nothing, and leaves what is no number.
func add(p map[string]any, name string, value any) {
	old, exists := p[name]
	if !exists {
		old = json.Number("0")
	}
	a, ok1 := old.(json.Number)
	b, ok2 := value.(json.Number)
	if ok1 && ok2 {
		p[name] = sum(a, b)
	}
}

// sum is exact for integers.
func sum(a, b json.Number) json.Number {
	i, err1 := a.Int64()
	j, err2 := b.Int64()
	if err1 == nil && err2 == nil {
		return json.Number(strconv.FormatInt(i+j, 10))
	}
	x, _ := a.Float64()
	y, _ := b.Float64()
	return json.Number(strconv.FormatFloat(x+y, 'g', -1, 64))
}

func remove(p map[string]any, name string, value any) {
	if old, ok := p[name]; ok {
		p[name] = without(old, list(value))
	}
}

// join makes one list of two values, each of which may be a list already.
func join(a, b any) []any { return slices.Concat(list(a), list(b)) }

func list(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// without is v as a list, less the values that are in others.
func without(v any, others []any) []any {
	return slices.DeleteFunc(slices.Clone(list(v)), func(x any) bool {
		return slices.ContainsFunc(others, func(y any) bool { return reflect.DeepEqual(x, y) })
	})
}
