package lwatest_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func TestJournal(t *testing.T) {
	srv := newServer(t, nil)
	code := visit(t, srv).Get("code")
	post(t, srv, exchangeForm(code, "code_verifier", "x"))
	post(t, srv, refreshForm("Atzr|x"))
	get(t, srv, "/elsewhere/"+secret)
	want := []lwatest.Entry{
		{
			Seq: 1, At: noon, Method: "GET", Path: "/ap/oa", Route: "authorize", ClientID: clientID, Status: 302, Outcome: "code issued",
			Params: []string{"client_id", "redirect_uri", "response_type", "scope", "state"},
		},
		{
			Seq: 2, At: noon, Method: "POST", Path: "/auth/o2/token", Route: "token", GrantType: "authorization_code", ClientID: clientID,
			Status: 400, Outcome: "unauthorized_client: code_verifier",
			Params: []string{"client_id", "client_secret", "code", "code_verifier", "grant_type", "redirect_uri"},
		},
		{
			Seq: 3, At: noon, Method: "POST", Path: "/auth/o2/token", Route: "token", GrantType: "refresh_token", ClientID: clientID,
			Status: 400, Outcome: "invalid_grant: refresh_token",
			Params: []string{"client_id", "client_secret", "grant_type", "refresh_token"},
		},
		{Seq: 4, At: noon, Method: "GET", Path: "(unknown)", Status: 404, Outcome: "error page: There is nothing at this address"},
	}
	if diff := cmp.Diff(want, srv.Journal()); diff != "" {
		t.Errorf("Journal() (-want +got):\n%s", diff)
	}
	for grantType, want := range map[string]int{"": 2, "refresh_token": 1, "authorization_code": 1, "device_code": 0} {
		if got := srv.Calls(lwatest.RouteToken, grantType); got != want {
			t.Errorf("Calls(token, %q) = %d, want %d", grantType, got, want)
		}
	}
}

func TestJournalIsBounded(t *testing.T) {
	srv := newServer(t, nil)
	for range 1010 {
		get(t, srv, "/user/profile")
	}
	entries := srv.Journal()
	if len(entries) != 1000 || entries[0].Seq != 11 || entries[999].Seq != 1010 {
		t.Errorf("%d entries from %d to %d, want the last 1000", len(entries), entries[0].Seq, entries[len(entries)-1].Seq)
	}
	if n := srv.Calls(lwatest.RouteProfile, ""); n != 1010 {
		t.Errorf("Calls() = %d, want 1010", n)
	}
}

// TestNothingSecretIsKept puts secrets where they belong and where they don't, and
// looks for them in everything that the server shows, keeps and hands over.
func TestNothingSecretIsKept(t *testing.T) {
	var saved strings.Builder
	o := options()
	o.Save = func(records []lwatest.Record) error {
		for _, r := range records {
			fmt.Fprintf(&saved, "%s %s\n", r.Key, r.Value)
		}
		return nil
	}
	srv, err := lwatest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	q := visit(t, srv, "scope", "dash:replenish", "scope_data", dashData, "code_challenge", challenge, "code_challenge_method", "S256")
	a := wantTokens(t, post(t, srv, exchangeForm(q.Get("code"), "code_verifier", verifier)))
	next, err := srv.RotateSecret(clientID, newSecret("canary-next-secret"))
	if err != nil {
		t.Fatal(err)
	}
	own := wantTokens(t, post(t, srv, clientForm("client_secret", "canary-next-secret"))).str("access_token")
	pair, waiting := codePair(t, srv), codePair(t, srv)
	if err := srv.EnterCode(pair.str("user_code"), lwatest.Visitor{}); err != nil {
		t.Fatal(err)
	}
	device := wantTokens(t, poll(t, srv, pair))
	canaries := []string{
		own, pair.str("device_code"), pair.str("user_code"), waiting.str("device_code"), waiting.str("user_code"),
		device.str("access_token"), device.str("refresh_token"),
		secret, otherSecret, next.Reveal(), verifier, q.Get("code"), a.str("access_token"), a.str("refresh_token"),
		"canary-misplaced",
	}
	refused := []answer{
		poll(t, srv, waiting, "user_code", pair.str("user_code")),
		ask(t, srv, pairForm("client_id", waiting.str("device_code"))),
		answerCode(t, srv, url.Values{"user_code": {"canary-misplaced"}}),
		get(t, srv, "/us/code?user_code="+waiting.str("user_code")),
		get(t, srv, "/api/appstore/"+url.PathEscape(own)),
		post(t, srv, url.Values{"grant_type": {a.str("refresh_token")}}),
		post(t, srv, exchangeForm(q.Get("code"), "client_id", secret)),
		post(t, srv, exchangeForm(q.Get("code"), "canary-misplaced", "1", "code", "")),
		post(t, srv, exchangeForm("canary-misplaced", "redirect_uri", a.str("access_token"))),
		post(t, srv, refreshForm(a.str("access_token"), "client_secret", "canary-misplaced")),
		get(t, srv, "/auth/o2/tokeninfo?access_token="+url.QueryEscape(a.str("refresh_token"))),
		get(t, srv, "/canary-misplaced/"+url.PathEscape(a.str("access_token"))),
		get(t, srv, target("state", "canary-misplaced", "client_secret", secret, "client_id", "x")),
	}
	_, err = srv.Visit(page("client_id", "x", "state", "canary-misplaced"), lwatest.Visitor{})
	out := fmt.Sprint(err, saved.String())
	for _, r := range refused {
		out += r.Body
	}
	snapshot, err := srv.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{srv.Journal(), srv.Grants(lwatest.Match{}), srv.Switches(), srv.Faults(), snapshot, srv.Customers()} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out += string(b) + fmt.Sprintf("%+v", v)
	}
	out += fmt.Sprintf("%v %+v %#v %+v", srv.Client(), srv.Client(), srv.Client(), o.Clients)
	for _, c := range canaries {
		if i := strings.Index(out, c); i >= 0 {
			t.Errorf("%q is shown or kept: …%s…", c, out[max(0, i-80):min(len(out), i+80)])
		}
		if strings.Contains(out, url.QueryEscape(c)) {
			t.Errorf("%q is shown or kept in encoded form", c)
		}
	}
}
