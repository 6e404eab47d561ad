package conformance

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

//go:embed testdata/iterable-swagger.json
var swagger []byte

// document is Iterable's Swagger file, ready to hold exchanges against.
type document struct {
	spec   *openapi3.T
	router routers.Router
}

// load reads a file with these deviations.
func load(text []byte, with []deviation) (*document, error) {
	var file any
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, err
	}
	for _, d := range with {
		if err := d.apply(file); err != nil {
			return nil, err
		}
	}
	changed, err := json.Marshal(file)
	if err != nil {
		return nil, err
	}
	var v2 openapi2.T
	if err := json.Unmarshal(changed, &v2); err != nil {
		return nil, err
	}
	v2.Consumes = []string{"application/json"} // it does not say
	spec, err := openapi2conv.ToV3(&v2)
	if err != nil {
		return nil, err
	}
	tighten(spec)
	if err := spec.Validate(context.Background(), openapi3.DisableSchemaDefaultsValidation()); err != nil {
		return nil, err
	}
	router, err := gorillamux.NewRouter(spec)
	return &document{spec, router}, err
}

// tighten makes the document as strict as the package's documentation says. The
// ids of operations go, as seven are not unique.
func tighten(spec *openapi3.T) {
	for _, s := range spec.Components.Schemas {
		if len(s.Value.Properties) > 0 {
			s.Value.AdditionalProperties.Has = new(false)
		}
	}
	envelope := openapi3.NewSchemaRef("#/components/schemas/IterableApiResponse", spec.Components.Schemas["IterableApiResponse"].Value)
	for _, path := range spec.Paths.Map() {
		for _, op := range path.Operations() {
			op.OperationID = ""
			for _, response := range op.Responses.Map() {
				if len(response.Value.Content) == 0 {
					response.Value.WithJSONSchemaRef(envelope)
				}
			}
		}
	}
}

// apply changes the file wherever it is as d says, which must be somewhere.
func (d deviation) apply(file any) error {
	was, err := value(d.was)
	if err != nil {
		return err
	}
	is, err := value(d.is)
	if err != nil {
		return err
	}
	found := false
	at, last := d.at, d.at[len(d.at)-1]
	if last == "-" {
		at = at[:len(at)-1]
	}
	visit(file, at, func(parent map[string]any, key string) {
		switch all, _ := parent[key].([]any); {
		case last == "-" && all != nil && !slices.Contains(all, is):
			parent[key], found = append(all, is), true
		case last == "-" || !reflect.DeepEqual(parent[key], was):
		case is == nil:
			delete(parent, key)
			found = true
		default:
			parent[key], found = is, true
		}
	})
	if !found {
		return fmt.Errorf("%v: the file does not have %s there", d.at, d.was)
	}
	return nil
}

// value reads JSON, of which "" is nil.
func value(text string) (v any, err error) {
	if text == "" {
		return nil, nil
	}
	err = json.Unmarshal([]byte(text), &v)
	return v, err
}

// visit finds the places that a path names.
func visit(node any, at []string, use func(parent map[string]any, key string)) {
	switch node := node.(type) {
	case map[string]any:
		if len(at) == 1 {
			use(node, at[0])
			return
		}
		for key, child := range node {
			if at[0] == "*" || at[0] == key {
				visit(child, at[1:], use)
			}
		}
	case []any:
		for _, child := range node {
			if o, ok := child.(map[string]any); ok && o["name"] == at[0] {
				visit(o, at[1:], use)
			}
		}
	}
}

// operationOf is nil if the document has no such operation.
func operationOf(op string) *openapi3.Operation {
	method, path, _ := strings.Cut(op, " ")
	item := truth().spec.Paths.Value(path)
	if item == nil {
		return nil
	}
	return item.GetOperation(method)
}
