package openapitest

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/callback"
	"github.com/restock-dev/restock/internal/replenish"
	"github.com/restock-dev/restock/internal/web"
)

// onlyLocal is what restock up serves beside the functions' routes.
const onlyLocal = "GET /openapi.yaml"

func TestEveryRouteIsDescribed(t *testing.T) {
	pages, err := callback.New(callback.Handler{RedirectURL: "https://restock.example.com/callback"})
	if err != nil {
		t.Fatal(err)
	}
	var mux web.Mux
	pages.Routes(&mux)
	new(replenish.Handler).Routes(&mux)
	routes := append(mux.Patterns(), onlyLocal)
	slices.Sort(routes)
	if diff := cmp.Diff(routes, slices.Sorted(maps.Keys(described().operations))); diff != "" {
		t.Errorf("routes and docs/openapi.yaml (-served +described):\n%s", diff)
	}
}

// What stands around the handlers answers for each operation of a kind, and for no other: 413 and
// 415 where there is a body, 401 where there is a key, 429 for the open calls.
func TestEveryOperationDescribesWhatStandsAroundIt(t *testing.T) {
	for pattern, operation := range described().operations {
		security, own := operation.value["security"].([]any)
		keyless := own && len(security) == 0 // else that of all
		body := operation.to("requestBody") != nil
		for status, want := range map[string]bool{
			"401": !keyless,
			"413": body, "415": body,
			"429": slices.Contains(callback.OpenCalls, pattern),
			"431": true,
			"500": pattern != onlyLocal, "503": pattern != onlyLocal,
		} {
			if got := operation.to("responses", status) != nil; got != want {
				t.Errorf("%s: describes %s: %t, want %t", pattern, status, got, want)
			}
		}
	}
}

// Each problem of the description names codes of the table, with the status that the table
// gives them, and shows an example of each. None of the table is missing.
func TestEveryCodeIsDescribed(t *testing.T) {
	d := described()
	table := web.Codes()
	seen := map[string]int{}
	for name, status := range d.problems() {
		for _, code := range d.codes(name) {
			seen[code] = status
			if table[code] != status {
				t.Errorf("%s: %s has status %d in the table, not %d", name, code, table[code], status)
			}
			if d.example(name, code) == nil {
				t.Errorf("%s: %s has no example", name, code)
			}
		}
	}
	if diff := cmp.Diff(table, seen); diff != "" {
		t.Errorf("table of codes and docs/openapi.yaml (-table +described):\n%s", diff)
	}
	listed := map[string]int{}
	for _, one := range d.root.to("components", "schemas", "ProblemCode").value["oneOf"].([]any) {
		entry := one.(map[string]any)
		status, _, _ := strings.Cut(entry["description"].(string), ":")
		listed[entry["const"].(string)], _ = strconv.Atoi(status)
	}
	if diff := cmp.Diff(table, listed); diff != "" {
		t.Errorf("table of codes and ProblemCode (-table +described):\n%s", diff)
	}
}

// problems returns where problems are described, and the status of each.
func (d *description) problems() map[string]int {
	found := map[string]int{}
	look := func(n *node) {
		if schema := n.to("content", "application/problem+json", "schema"); schema != nil {
			status, _ := schema.value["properties"].(map[string]any)["status"].(map[string]any)["const"].(json.Number)
			code, _ := strconv.Atoi(status.String())
			found[n.at] = code
		}
	}
	for _, operation := range d.operations {
		for _, status := range operation.to("responses").names() {
			look(operation.to("responses", status))
		}
	}
	for _, name := range d.root.to("components", "responses").names() {
		look(d.root.to("components", "responses", name))
	}
	return found
}

// at returns the node at a pointer.
func (d *description) at(pointer string) *node {
	n := d.root
	for name := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		n = n.to(strings.NewReplacer("~1", "/", "~0", "~").Replace(name))
	}
	return n
}

func (d *description) codes(problem string) (codes []string) {
	code := d.at(problem).to("content", "application/problem+json", "schema").to("properties", "code").value
	if either, ok := code["anyOf"].([]any); ok { // or an error of LWA
		code = either[0].(map[string]any)
	}
	for _, v := range code["enum"].([]any) {
		codes = append(codes, v.(string))
	}
	return codes
}

func (d *description) example(problem, code string) *node {
	examples := d.at(problem).to("content", "application/problem+json", "examples")
	for _, name := range examples.names() {
		if example := examples.to(name, "value"); example.value["code"] == code {
			return example
		}
	}
	return nil
}

// Every example fits its own schema, and every JSON body has an example.
func TestExamples(t *testing.T) {
	d := described()
	check := func(n *node, s *schemas) {
		for _, media := range n.to("content").names() {
			if !strings.HasSuffix(media, "json") {
				continue
			}
			content := n.to("content", media)
			if len(content.to("examples").names()) == 0 {
				t.Errorf("%s has no example", content.at)
			}
			for _, name := range content.to("examples").names() {
				text, err := json.Marshal(content.to("examples", name).value["value"])
				if err != nil {
					t.Fatal(err)
				}
				if err := valid(s, content.at+"/schema", text); err != nil {
					t.Errorf("example %s of %s: %v", name, content.at, err)
				}
			}
		}
	}
	for _, operation := range d.operations {
		check(operation.to("requestBody"), d.answers) // an example shows nothing that is ignored
		for _, status := range operation.to("responses").names() {
			check(operation.to("responses", status), d.answers)
		}
	}
	for _, name := range d.root.to("components", "responses").names() {
		check(d.root.to("components", "responses", name), d.answers)
	}
}

// A check that can't fail would prove nothing.
func TestFaults(t *testing.T) {
	result := `{"id":"1","thing":"A::1","slot":"filter","outcome":"ordered","detail_code":"","instance_id":"","replayed":false,"at":"2026-01-08T10:00:00Z"}`
	for _, tt := range []struct {
		name, method, path, sent string
		status                   int
		header                   http.Header
		body                     string
		want                     string // "": nothing is wrong
	}{
		{"right", "POST", "/v1/replenish", `{"slot":"filter"}`, 200, nil, result, ""},
		{"status", "POST", "/v1/replenish", `{"slot":"filter"}`, 201, nil, result, "this status is not described"},
		{"outcome of another status", "POST", "/v1/replenish", `{"slot":"filter"}`, 202, nil, result, "outcome"},
		{"member that is not described", "POST", "/v1/replenish", `{"slot":"filter"}`, 200, nil, strings.Replace(result, "{", `{"more":1,`, 1), "more"},
		{"member missing", "POST", "/v1/replenish", `{"slot":"filter"}`, 200, nil, strings.Replace(result, `"replayed":false,`, "", 1), "replayed"},
		{"time", "POST", "/v1/replenish", `{"slot":"filter"}`, 200, nil, strings.Replace(result, "2026-01-08T", "2026-01-08 at ", 1), "date-time"},
		{"content type", "POST", "/v1/replenish", `{"slot":"filter"}`, 200, http.Header{"Content-Type": {"text/plain"}}, result, "content type"},
		{"header", "POST", "/v1/replenish", `{"slot":"filter"}`, 200, http.Header{"Cache-Control": nil}, result, "Cache-Control"},
		{"request that is taken", "POST", "/v1/replenish", `{"slot":""}`, 200, nil, result, "it was taken"},
		{
			"code of another status", "GET", "/v1/registration", "", 401,
			http.Header{"Content-Type": {"application/problem+json"}, "Www-Authenticate": {"Bearer"}},
			`{"type":"about:blank","title":"","status":401,"code":"taken","detail":"x"}`, "code",
		},
		{"body where there is none", "DELETE", "/v1/registration", "", 204, nil, "x", "no body is described"},
		{"unknown path", "GET", "/v1/x", "", 200, nil, "{}", "this status is not described"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			header := http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}
			maps.Copy(header, tt.header)
			r := httptest.NewRequest(tt.method, tt.path, nil)
			got := strings.Join(faults(r, []byte(tt.sent), tt.status, header, []byte(tt.body)), "\n")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("faults = %q, want %q", got, tt.want)
			}
		})
	}
}

// The functions' zips carry no description: nobody could ask them for it.
func TestFunctionsDoNotCarryIt(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "../../functions/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	if deps := strings.Fields(string(out)); slices.Contains(deps, "github.com/restock-dev/restock/docs") || len(deps) == 0 {
		t.Error("a function imports docs")
	}
}
