package openapitest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/restock-dev/restock/docs"
)

// description is docs/openapi.yaml, ready to be asked.
type description struct {
	root       *node
	mux        http.ServeMux // knows the described routes
	operations map[string]*node
	requests   *schemas
	answers    *schemas // in which no member may be that isn't described
}

var described = sync.OnceValue(func() *description {
	d, err := parse(docs.OpenAPI)
	if err != nil {
		panic(err) // the file is part of the program
	}
	return d
})

func parse(text []byte) (*description, error) {
	root, err := readTree(text)
	if err != nil {
		return nil, err
	}
	d := &description{root: &node{value: root, root: root}, operations: map[string]*node{}}
	d.requests = newSchemas(root)
	strict, err := readTree(text)
	if err != nil {
		return nil, err
	}
	closeObjects(strict["components"].(map[string]any)["schemas"])
	d.answers = newSchemas(strict)
	for _, path := range d.root.to("paths").names() {
		for _, method := range d.root.to("paths", path).names() {
			pattern := route(method, path)
			d.mux.Handle(pattern, http.NotFoundHandler())
			d.operations[pattern] = d.root.to("paths", path, method)
		}
	}
	return d, nil
}

// route is a described operation as net/http writes its pattern.
func route(method, path string) string {
	if path == "/" {
		path = "/{$}"
	}
	return strings.ToUpper(method) + " " + path
}

// readTree reads YAML as JSON would be, which is all that JSON Schema knows.
func readTree(text []byte) (map[string]any, error) {
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, err
	}
	text, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	return v.(map[string]any), nil
}

// closeObjects makes every object refuse members that it doesn't list. To callers the
// description leaves room for more; our own answers must not use it.
func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, lists := v["properties"]; lists && v["type"] == "object" {
			v["additionalProperties"] = false
		}
		for _, child := range v {
			closeObjects(child)
		}
	case []any:
		for _, child := range v {
			closeObjects(child)
		}
	}
}

// node is an object of the description. All methods take nil as an absent one.
type node struct {
	at    string // JSON pointer
	value map[string]any
	root  map[string]any
}

// to goes down by member names, and follows references. An absent one is nil.
func (n *node) to(names ...string) *node {
	for _, name := range names {
		if n == nil {
			return nil
		}
		child, ok := n.value[name].(map[string]any)
		if !ok {
			return nil
		}
		n = (&node{at: n.at + "/" + escape(name), value: child, root: n.root}).follow()
	}
	return n
}

// follow goes to where a reference leads, if n is nothing but one.
func (n *node) follow() *node {
	ref, ok := n.value["$ref"].(string)
	if !ok || len(n.value) > 1 {
		return n
	}
	names := strings.Split(strings.TrimPrefix(ref, "#/"), "/")
	return (&node{value: n.root, root: n.root}).to(names...)
}

func (n *node) names() []string {
	if n == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(n.value))
}

// escape writes a name as JSON Pointer does.
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// schemas compiles schemas of the description once each.
type schemas struct {
	mu       sync.Mutex
	compiler *jsonschema.Compiler
	compiled map[string]*jsonschema.Schema
}

const resource = "openapi.json"

func newSchemas(tree map[string]any) *schemas {
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource(resource, tree); err != nil {
		panic(err) // it is added once
	}
	return &schemas{compiler: c, compiled: map[string]*jsonschema.Schema{}}
}

func (s *schemas) at(pointer string) (*jsonschema.Schema, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if schema := s.compiled[pointer]; schema != nil {
		return schema, nil
	}
	schema, err := s.compiler.Compile(resource + "#" + pointer)
	if err == nil {
		s.compiled[pointer] = schema
	}
	return schema, err
}

// valid holds JSON against the schema at a pointer.
func valid(s *schemas, pointer string, text []byte) error {
	schema, err := s.at(pointer)
	if err != nil {
		return fmt.Errorf("the schema can't be read: %w", err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		return fmt.Errorf("it is no JSON: %w", err)
	}
	return schema.Validate(v)
}
