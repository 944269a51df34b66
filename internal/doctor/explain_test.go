package doctor_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"html"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/doctor"
)

const canary = "Atzr|canary-refresh-token"

func TestExplain(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		of   string
		want string // part of the explanation
	}{
		"LWA, JSON":              {`{"error_description":"Client authentication failed","error":"invalid_client"}`, "Login with Amazon", "secret"},
		"LWA, within a log":      {`level=ERROR msg="refresh failed" error="lwa: refresh: 400 invalid_grant"`, "Login with Amazon", "sign"},
		"Appstore":               {`{"error_description":"The request has an invalid parameter : scope","error":"invalid_scope"}`, "Login with Amazon", "scope"},
		"problem of an exchange": {`{"type":"about:blank","title":"Bad Request","status":400,"code":"invalid_grant","detail":"Login with Amazon refused the code; sign in again"}`, "Login with Amazon", "sign"},
		"DRS, bad token":         {`{"message":"Invalid token"}`, "Dash Replenishment", "access token"},
		"DRS, printed":           {"drs: replenish: 400 InvalidTokenException: Invalid token (request 1)", "Dash Replenishment", "access token"},
		"DRS, unsubscribed":      {`{"message":"Unable to place order - slot : <filter> is unsubscribed."}`, "Dash Replenishment", "subscribed"},
		"DRS, no slot":           {"drs: replenish: 404", "Dash Replenishment", "no slot"},
		"DRS, trouble":           {"drs: replenish: 503: Service Unavailable", "Dash Replenishment", "trouble"},
		"problem":                {`{"type":"about:blank","title":"Conflict","status":409,"code":"taken","detail":"x"}`, "Restock", "another customer"},
		"result":                 {`{"id":"7","thing":"A::1","slot":"filter","outcome":"failed","detail_code":"TOO_OLD"}`, "Restock", "a day or more"},
		"reason":                 {`{"status":"grant_ended","reason":"consent_withdrawn"}`, "Restock", "withdrew consent"},
		"reason, as detail code": {"CONSENT_WITHDRAWN", "Restock", "withdrew consent"},
		"log line":               {"level=INFO msg=press outcome=retrying detail_code=SECRETS_TROUBLE", "Restock", "client secret"},
		"the word alone":         {" not_paired_yet\n", "Restock", "not finished"},
		"variable":               {"RESTOCK_LWA_REGION must hold something", "Restock", "na, eu or fe"},
		"lost key":               {"opening access_token of A::1: key k1 is not in the key ring: put it back, or pair the device again", "Restock", "restock keys"},
	} {
		t.Run(name, func(t *testing.T) {
			all := doctor.Explain(c.text)
			for _, e := range all {
				if e.Of == c.of && strings.Contains(e.Text, c.want) {
					return
				}
			}
			t.Errorf("Explain() = %+v, want one of %s with %q", all, c.of, c.want)
		})
	}
}

// However an error was logged, it is explained as if it stood there alone.
func TestExplainWithinOthers(t *testing.T) {
	asString := func(s string) string {
		text, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	inLog := func(s string) string {
		return `{"level":"ERROR","msg":"call failed","status":400,"body":` + asString(s) + `}`
	}
	wrappers := map[string]func(string) string{
		"a log's JSON": inLog,
		"JSON in JSON": func(s string) string { return inLog(inLog(s)) },
		"JSON thrice":  func(s string) string { return inLog(inLog(inLog(s))) },
		"Go's quotes": func(s string) string {
			return "time=2026-01-08T10:00:00Z level=ERROR msg=failed error=" + strconv.Quote(s)
		},
		"a page":            func(s string) string { return "<pre>" + html.EscapeString(s) + "</pre>" },
		"entities by name":  func(s string) string { return strings.ReplaceAll(s, `"`, "&quot;") },
		"escaped by number": func(s string) string { return strings.ReplaceAll(s, `"`, `\u0022`) },
		"a URL":             func(s string) string { return "https://logs.example.com/?q=" + url.PathEscape(s) },
		"CRLF": func(s string) string {
			return "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n\r\n" + s + "\r\n"
		},
		"Python":             func(s string) string { return strings.ReplaceAll(s, `"`, "'") },
		"JavaScript":         func(s string) string { return member.ReplaceAllString(s, "$1: ") },
		"bytes of Python":    func(s string) string { return "b'" + s + "'" },
		"cut off at the end": func(s string) string { return s[:len(s)-2] },
	}
	for _, text := range []string{
		`{"error_description":"Client authentication failed","error":"invalid_client"}`,
		`{"error":"invalid_grant","error_description":"The request has an invalid grant parameter : redirect_uri"}`,
		`{"error":"servererror"}`,
		`{"message":"Invalid token"}`,
		`{"type":"about:blank","code":"taken"}`,
		`{"outcome":"failed","detail_code":"TOO_OLD"}`,
	} {
		want := doctor.Explain(text)
		if len(want) == 0 {
			t.Fatalf("Explain(%s) knows nothing", text)
		}
		for name, wrap := range wrappers {
			if got := doctor.Explain(wrap(text)); !slices.Equal(got, want) {
				t.Errorf("%s: Explain(%s) = %+v, want %+v", name, wrap(text), got, want)
			}
		}
	}
}

var member = regexp.MustCompile(`"(\w+)":`)

// What is known exactly is not followed by what holds for most refusals.
func TestExplainTheSpecialAlone(t *testing.T) {
	const general = "DRS refuses the request"
	refused := `level=WARN msg=press by=mqtt outcome=not_subscribed cause="drs: replenish: 400: Unable to place order - slot : <side-brush> is unsubscribed. (request 1)"`
	other := `level=WARN msg="DRS refused a call" error="drs: slotStatus: 400: Bad version (request 2)"`
	count := func(text string) (n int) {
		for _, e := range doctor.Explain(text) {
			if strings.HasPrefix(e.Text, general) {
				n++
			}
		}
		return n
	}
	for text, want := range map[string]int{refused: 0, "drs: replenish: 429": 0, "drs: replenish: 404": 0, other: 1, refused + "\n" + other: 1} {
		if n := count(text); n != want || len(doctor.Explain(text)) == 0 {
			t.Errorf("Explain(%s) = %+v, want %d general ones", text, doctor.Explain(text), want)
		}
	}
}

func TestExplainNothing(t *testing.T) {
	for _, text := range []string{"", "all is well", "the code of the page is internal", strings.Repeat("x", doctor.MaxText) + `{"code":"taken"}`} {
		if all := doctor.Explain(text); len(all) != 0 {
			t.Errorf("Explain(%.40q) = %+v, want nothing", text, all)
		}
	}
}

// What was pasted may hold secrets: nothing of it comes back.
func TestExplainRepeatsNothing(t *testing.T) {
	for _, text := range []string{
		`{"error":"invalid_grant","error_description":"` + canary + `","refresh_token":"` + canary + `"}`,
		"drs: replenish: 400 InvalidTokenException: " + canary, `{"code":"bad_field","field":"` + canary + `"}`,
		"RESTOCK_LWA_CLIENT_SECRET=" + canary, `detail_code=CANARY_REFRESH_TOKEN reason=canary`, `{"error":"canary"}`,
		"https://x.example/callback?error=invalid_scope&error_description=canary&code=canary",
	} {
		for _, e := range doctor.Explain(text) {
			if strings.Contains(strings.ToLower(e.Text+e.What+e.Of), "canary") {
				t.Errorf("Explain(%s) = %+v repeats what was pasted", text, e)
			}
		}
	}
}

// Every word that Restock answers with is explained; a new one fails here first.
func TestEveryWordIsExplained(t *testing.T) {
	for _, in := range []struct {
		file, prefix string
		member       string
		least        int
	}{
		{"../web/problem.go", "Code", "code", 15},
		{"../replenish/outcome.go", "Code", "detail_code", 14},
		{"../../pkg/drs/replenish.go", "", "detail_code", 3},
		{"../store/store.go", "Reason", "reason", 4},
		{"../message/message.go", "", "outcome", 9},
	} {
		words := constants(t, in.file, in.prefix)
		if in.member == "outcome" {
			words = words[len(words)-9:] // the others of that file are topics
		}
		if len(words) < in.least {
			t.Errorf("%s has the words %q, want %d at least", in.file, words, in.least)
		}
		for _, word := range words {
			for _, text := range []string{`{"` + in.member + `":"` + word + `"}`, in.member + "=" + word, word} {
				if all := doctor.Explain(text); len(all) != 1 || all[0].Of != "Restock" || all[0].What == "" {
					t.Errorf("Explain(%s) = %+v, want one explanation", text, all)
				}
			}
		}
	}
}

// constants returns the texts of a file's constants whose names begin with prefix.
func constants(t *testing.T, path, prefix string) (words []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.FromSlash(path), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		for _, s := range g.Specs {
			v, ok := s.(*ast.ValueSpec)
			if !ok || !strings.HasPrefix(v.Names[0].Name, prefix) || len(v.Values) == 0 {
				continue
			}
			if lit, ok := v.Values[0].(*ast.BasicLit); ok && lit.Kind == token.STRING {
				word, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				words = append(words, word)
			}
		}
	}
	return words
}
