// Package template reads CloudFormation, as SAM's translator makes it of template.yaml,
// and resolves its references, so that tests can hold one resource against another and
// give functions the environment that they would have.
package template

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Template is CloudFormation without SAM.
type Template struct {
	Parameters map[string]Parameter `json:"Parameters"`
	Mappings   map[string]any       `json:"Mappings"`
	Conditions map[string]any       `json:"Conditions"`
	Resources  map[string]Resource  `json:"Resources"`
	Outputs    map[string]Output    `json:"Outputs"`
}

// Parameter is what a deployment may choose.
type Parameter struct {
	Type    string `json:"Type"`
	Default any    `json:"Default,omitempty"` // nil: none
}

// Resource is a resource. Its properties hold intrinsic functions as they are written.
type Resource struct {
	Type       string         `json:"Type"`
	Condition  string         `json:"Condition,omitempty"` // "": always there
	Properties map[string]any `json:"Properties,omitempty"`
}

// Output is what the stack tells its owner.
type Output struct {
	Condition string `json:"Condition,omitempty"`
	Value     any    `json:"Value"`
}

// Parse reads a template in JSON.
func Parse(text []byte) (*Template, error) {
	t := new(Template)
	if err := json.Unmarshal(text, t); err != nil {
		return nil, fmt.Errorf("reading the translated template: %w", err)
	}
	if len(t.Resources) == 0 {
		return nil, errors.New("the translated template has no resources")
	}
	return t, nil
}

// OfType returns the names of the resources of these types, sorted.
func (t *Template) OfType(types ...string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(t.Resources)) {
		if slices.Contains(types, t.Resources[name].Type) {
			names = append(names, name)
		}
	}
	return names
}

// Values returns a value for each parameter: the one given, else its default.
//
// Errors: a parameter without either, or a value for one that does not exist.
func (t *Template) Values(given map[string]string) (map[string]any, error) {
	values := map[string]any{}
	for name, p := range t.Parameters {
		switch v, ok := given[name]; {
		case ok:
			values[name] = v
		case p.Default != nil:
			values[name] = p.Default
		default:
			return nil, fmt.Errorf("parameter %s needs a value", name)
		}
	}
	for name := range given {
		if _, ok := t.Parameters[name]; !ok {
			return nil, fmt.Errorf("there is no parameter %s", name)
		}
	}
	return values, nil
}
