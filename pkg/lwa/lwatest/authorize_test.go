package lwatest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// target returns the path and query of an authorize URL.
func target(pairs ...string) string { return strings.TrimPrefix(page(pairs...), "http://lwa.invalid") }

func allowing(sw *lwatest.Switches) { sw.Consent = lwatest.Allow }

func TestAuthorizeRedirects(t *testing.T) {
	srv := newServer(t, allowing)
	a := get(t, srv, target("scope", "profile postal_code", "state", "a b&c"))
	if a.Status != http.StatusFound || a.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Fatalf("answer = %d %v, want 302", a.Status, a.Header)
	}
	location := a.Header.Get("Location")
	if !strings.HasPrefix(location, redirectURL+"&code=AN") {
		t.Errorf("Location = %s, want it to go on from the redirect URL's own query", location)
	}
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if n := len(q.Get("code")); n < 18 || n > 128 {
		t.Errorf("the code has %d characters", n)
	}
	q.Del("code")
	if diff := cmp.Diff(url.Values{"fixed": {"1"}, "scope": {"profile postal_code"}, "state": {"a b&c"}}, q); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
}

// TestAuthorizeErrorPage: without a client and a return URL that are known, nobody
// is sent anywhere.
func TestAuthorizeErrorPage(t *testing.T) {
	srv := newServer(t, allowing)
	for _, tt := range []struct{ name, target, want string }{
		{"no client", target("client_id", ""), "Unknown client_id"},
		{"unknown client", target("client_id", "amzn1.application.x"), "Unknown client_id"},
		{"two clients", target() + "&client_id=" + otherID, "Unknown client_id"},
		{"no return URL", target("redirect_uri", ""), "has not been whitelisted for your application"},
		{"unknown return URL", target("redirect_uri", "https://evil.example.com/"), "lwa-invalid-parameter-bad-redirect-uri-vendor"},
		{"trailing slash", target("redirect_uri", redirectURL+"/"), "Allowed Return URLs"},
		{"two return URLs", target() + "&redirect_uri=https%3A%2F%2Fevil.example.com", "whitelisted"},
		{"malformed query", target() + "&x=%zz", "Malformed request"},
		{"too long", target("state", strings.Repeat("s", 9000)), "Malformed request"},
		{"everything wrong", "/ap/oa", "Unknown client_id"},
		{"markup", target("client_id", `<script>alert(1)</script>`), "&lt;script&gt;"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := get(t, srv, tt.target)
			if a.Status != 400 || a.Header.Get("Location") != "" || a.Header.Get("Content-Type") != "text/html;charset=UTF-8" {
				t.Fatalf("answer = %d %v, want a page and no redirect", a.Status, a.Header)
			}
			for _, want := range []string{tt.want, "We&#39;re sorry!", "Error Summary", "400 Bad Request"} {
				if !strings.Contains(strings.ReplaceAll(a.Body, "We're", "We&#39;re"), want) {
					t.Errorf("the page lacks %q", want)
				}
			}
			if strings.Contains(a.Body, "<script") {
				t.Error("the page holds a script")
			}
		})
	}
}

func TestAuthorizeErrorRedirects(t *testing.T) {
	const dash = "dash:replenish"
	data := func(model, serial string) string {
		return `{"dash:replenish":{"device_model":"` + model + `","serial":"` + serial + `"}}`
	}
	const unknown = "An unknown scope was requested"
	for _, tt := range []struct {
		name              string
		change            []string
		code, description string
	}{
		{"no response type", []string{"response_type", ""}, "invalid_request", missing("response_type")},
		{"implicit grant", []string{"response_type", "token"}, "unsupported_response_type", "The response type is not supported by the authorization server"},
		{"no scope", []string{"scope", ""}, "invalid_request", missing("scope")},
		{"unknown scope", []string{"scope", "profile nonsense"}, "invalid_scope", unknown},
		{"one colon too many", []string{"scope", "dash::replenish"}, "invalid_scope", unknown},
		{"scope of client credentials", []string{"scope", "appstore::apps:readwrite"}, "invalid_scope", unknown},
		{"no scope data", []string{"scope", dash}, "invalid_scope", unknown},
		{"scope data of another scope", []string{"scope", dash, "scope_data", `{"profile":{"essential":true}}`}, "invalid_scope", unknown},
		{"scope data no JSON", []string{"scope", dash, "scope_data", "{"}, "invalid_request", invalid("scope_data")},
		{"scope data null", []string{"scope", dash, "scope_data", "null"}, "invalid_request", invalid("scope_data")},
		{"scope data no object", []string{"scope", dash, "scope_data", `{"dash:replenish":"VAC"}`}, "invalid_request", invalid("scope_data")},
		{"no device", []string{"scope", dash, "scope_data", `{"dash:replenish":{}}`}, "invalid_request", invalid("scope_data")},
		{"no serial", []string{"scope", dash, "scope_data", data("VAC", "")}, "invalid_request", invalid("scope_data")},
		{"bad model", []string{"scope", dash, "scope_data", data("VAC 1", "SN1")}, "invalid_request", invalid("scope_data")},
		{"bad serial", []string{"scope", dash, "scope_data", data("VAC", "SN/1")}, "invalid_request", invalid("scope_data")},
		{"long serial", []string{"scope", dash, "scope_data", data("VAC", strings.Repeat("1", 65))}, "invalid_request", invalid("scope_data")},
		{"flag no boolean", []string{"scope", dash, "scope_data", `{"dash:replenish":{"device_model":"V","serial":"S","is_test_device":1}}`}, "invalid_request", invalid("scope_data")},
		{"essential no boolean", []string{"scope_data", `{"profile":{"essential":"yes"}}`}, "invalid_request", invalid("scope_data")},
		{"challenge of another length", []string{"code_challenge", "abc", "code_challenge_method", "S256"}, "invalid_request", invalid("code_challenge")},
		{"challenge with padding", []string{"code_challenge", strings.Repeat("a", 43) + "=", "code_challenge_method", "S256"}, "invalid_request", invalid("code_challenge")},
		{"plain challenge too short", []string{"code_challenge", strings.Repeat("a", 42)}, "invalid_request", invalid("code_challenge")},
		{"unknown challenge method", []string{"code_challenge", strings.Repeat("a", 43), "code_challenge_method", "s256"}, "invalid_request", invalid("code_challenge_method")},
		{"method without challenge", []string{"code_challenge_method", "S256"}, "invalid_request", missing("code_challenge")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := newServer(t, allowing)
			a := get(t, srv, target(tt.change...))
			wantBack(t, a, url.Values{"error": {tt.code}, "error_description": {tt.description}})
			if n := len(srv.Grants(lwatest.Match{})); n != 0 {
				t.Errorf("%d grants were made", n)
			}
		})
	}
}

// wantBack checks where the browser is sent.
func wantBack(t *testing.T, a answer, want url.Values) {
	t.Helper()
	location := a.Header.Get("Location")
	if a.Status != http.StatusFound || !strings.HasPrefix(location, redirectURL+"&") {
		t.Fatalf("answer = %d to %q: %s, want the browser sent back", a.Status, location, a.Body)
	}
	u, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	want = with(want, "fixed", "1", "state", "the state")
	if diff := cmp.Diff(want, u.Query()); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
}

func TestAuthorizeRepeatedParameter(t *testing.T) {
	a := get(t, newServer(t, allowing), target()+"&scope=profile")
	wantBack(t, a, url.Values{"error": {"invalid_request"}, "error_description": {invalid("scope")}})
}

func TestPlainChallengeSwitch(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) { sw.Consent, sw.PlainChallenge = lwatest.Allow, false })
	a := get(t, srv, target("code_challenge", strings.Repeat("a", 43)))
	wantBack(t, a, url.Values{"error": {"invalid_request"}, "error_description": {invalid("code_challenge_method")}})
}

func TestClientScopes(t *testing.T) {
	o := options()
	o.Clients[0].Scopes = []string{"dash:replenish"}
	srv, err := lwatest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	back, err := srv.Visit(page(), lwatest.Visitor{})
	if err != nil || back.Query().Get("error") != "invalid_scope" {
		t.Errorf("a scope that the client may not ask for = %v, %v, want invalid_scope", back, err)
	}
}

// TestDeny: Amazon writes the spaces of this one as %20, unlike those of the others.
func TestDeny(t *testing.T) {
	srv := newServer(t, func(sw *lwatest.Switches) { sw.Consent = lwatest.Deny })
	a := get(t, srv, target("state", "s"))
	const want = redirectURL + "&error=access_denied&error_description=Access%20not%20permitted.&state=s"
	if got := a.Header.Get("Location"); got != want {
		t.Errorf("Location = %s, want %s", got, want)
	}
	a = get(t, srv, target("state", "s", "scope", "nonsense"))
	const other = redirectURL + "&error=invalid_scope&error_description=An+unknown+scope+was+requested&state=s"
	if got := a.Header.Get("Location"); got != other {
		t.Errorf("Location = %s, want %s", got, other)
	}
}

func TestStateSwitch(t *testing.T) {
	for echo, want := range map[lwatest.StateEcho]string{
		lwatest.EchoState: "the state", lwatest.OmitState: "", lwatest.AlterState: "the statex",
	} {
		srv := newServer(t, func(sw *lwatest.Switches) { sw.State = echo })
		if got := visit(t, srv).Get("state"); got != want {
			t.Errorf("with %s the state is %q, want %q", echo, got, want)
		}
	}
	if q := visit(t, newServer(t, nil), "state", ""); q.Has("state") {
		t.Error("a state came back that was never sent")
	}
}

func TestVoluntaryScopes(t *testing.T) {
	change := []string{
		"scope", "profile postal_code",
		"scope_data", `{"profile":{"essential":true},"postal_code":{"essential":false}}`,
	}
	srv := newServer(t, nil)
	if got := visit(t, srv, change...).Get("scope"); got != "profile postal_code" {
		t.Errorf("scope = %q, want all", got)
	}
	back, err := srv.Visit(page(change...), lwatest.Visitor{Untick: []string{"profile", "postal_code"}})
	if err != nil || back.Query().Get("scope") != "profile" {
		t.Errorf("unticked: %v, %v, want the essential scope only", back, err)
	}
	srv = newServer(t, func(sw *lwatest.Switches) { sw.Consent, sw.DropVoluntary = lwatest.Allow, true })
	u, err := url.Parse(get(t, srv, target(change...)).Header.Get("Location"))
	if err != nil || u.Query().Get("scope") != "profile" {
		t.Errorf("dropped: %v, %v, want the essential scope only", u, err)
	}
}

func TestAlexaScopeData(t *testing.T) {
	srv := newServer(t, nil)
	visit(t, srv, "scope", "alexa:all", "scope_data",
		`{"alexa:all":{"productID":"ACME-1","productInstanceAttributes":{"deviceSerialNumber":"SN1"}}}`)
	if g := srv.Grants(lwatest.Match{DeviceModel: "ACME-1", Serial: "SN1"}); len(g) != 1 {
		t.Errorf("grants of the device = %v, want one", g)
	}
}

func TestVisit(t *testing.T) {
	var told []lwatest.Grant
	o := options()
	o.Granted = func(g lwatest.Grant) { told = append(told, g) }
	srv, err := lwatest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"http://lwa.invalid/login", "%", page("client_id", "x")} {
		if u, err := srv.Visit(bad, lwatest.Visitor{}); err == nil {
			t.Errorf("Visit(%s) = %s, want an error", bad, u)
		}
	}
	back, err := srv.Visit(page(), lwatest.Visitor{Customer: customerTwo})
	if err != nil || back.Query().Get("code") == "" {
		t.Fatalf("Visit() = %v, %v", back, err)
	}
	if len(told) != 1 || told[0].Customer != customerTwo || told[0].Exchanged {
		t.Errorf("told of %+v, want one new grant of the chosen customer", told)
	}
	back, err = srv.Visit(page(), lwatest.Visitor{Customer: "amzn1.account.NOBODY"})
	if err != nil || back.Query().Get("error") != "access_denied" {
		t.Errorf("a stranger gets %v, %v, want access_denied", back, err)
	}
}
