package lwatest_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// FIDELITY.md §6.2: every answer has an x-amzn-RequestId of its own, and none is to be kept.
func TestEveryAnswerHasAnID(t *testing.T) {
	srv := newServer(t, nil)
	pair := codePair(t, srv)
	seen := map[string]string{}
	for name, a := range map[string]answer{
		"tokens":         post(t, srv, clientForm()),
		"refusal":        post(t, srv, clientForm("scope", "x")),
		"code pair":      pair,
		"poll":           poll(t, srv, pair),
		"tokeninfo":      get(t, srv, "/auth/o2/tokeninfo?access_token=x"),
		"profile":        get(t, srv, "/user/profile"),
		"consent page":   get(t, srv, target()),
		"redirect":       get(t, srv, target("scope", "x")),
		"error page":     get(t, srv, "/ap/oa"),
		"code page":      get(t, srv, "/us/code"),
		"API":            get(t, srv, "/api/appstore/v1/applications"),
		"unknown path":   get(t, srv, "/elsewhere"),
		"unknown method": do(t, srv, request(t, "DELETE", "/auth/o2/token", "", "")),
	} {
		id := a.Header.Get("x-amzn-RequestId")
		if !regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString(id) {
			t.Errorf("%s: x-amzn-RequestId = %q, want a UUID", name, id)
		}
		if other, twice := seen[id]; twice {
			t.Errorf("%s and %s have the same x-amzn-RequestId", name, other)
		}
		seen[id] = name
		if a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Pragma") != "no-cache" || a.Header.Get("Date") == "" {
			t.Errorf("%s: headers = %v", name, a.Header)
		}
	}
}

// FIDELITY.md §2.2: a server behind any of Amazon's regional hosts is the same one.
func TestEveryHostIsTheSame(t *testing.T) {
	srv := newServer(t, nil)
	client := &http.Client{Transport: srv.Transport()}
	for _, host := range []string{"https://api.amazon.com", "https://api.amazon.co.uk", "https://api.amazon.co.jp"} {
		resp, err := client.PostForm(host+"/auth/o2/token", clientForm())
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("%s answered %d", host, resp.StatusCode)
		}
	}
	if got := srv.Grants(lwatest.Match{}); len(got) != 1 {
		t.Errorf("%d grants, want one for all hosts", len(got))
	}
}

// TestFidelityIsWhole: each test that FIDELITY.md names exists, and it tells of each switch.
func TestFidelityIsWhole(t *testing.T) {
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				tests[fn.Name.Name] = true
			}
		}
	}
	text, err := os.ReadFile("FIDELITY.md")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`\bTest[A-Z][A-Za-z]*\b`).FindAllString(string(text), -1)
	if len(named) < 30 {
		t.Errorf("FIDELITY.md names %d tests, want the many that hold it", len(named))
	}
	for _, name := range named {
		if !tests[name] {
			t.Errorf("FIDELITY.md names %s, which is no test here", name)
		}
	}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[lwatest.Switches]()) {
		if !strings.Contains(string(text), "`"+field.Name+"`") {
			t.Errorf("FIDELITY.md does not say what the switch %s is about", field.Name)
		}
	}
}
