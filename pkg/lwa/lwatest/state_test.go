package lwatest_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func newSecret(s string) lwa.Secret { return lwa.NewSecret(s) }

// disk keeps records as a file would.
type disk struct {
	mu      sync.Mutex
	records map[string]string
	fail    error
}

func (d *disk) save(records []lwatest.Record) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fail != nil {
		return d.fail
	}
	for _, r := range records {
		if r.Value == nil {
			delete(d.records, r.Key)
		} else {
			d.records[r.Key] = string(r.Value)
		}
	}
	return nil
}

func (d *disk) load() []lwatest.Record {
	var records []lwatest.Record
	for key, value := range d.records { // in no order, as a store may hand them over
		records = append(records, lwatest.Record{Key: key, Value: json.RawMessage(value)})
	}
	return records
}

// boot starts a server on what the disk holds, as a process does.
func boot(t *testing.T, d *disk) *lwatest.Server {
	t.Helper()
	o := options()
	o.Save = d.save
	srv, err := lwatest.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Restore(d.load()); err != nil {
		t.Fatal(err)
	}
	return srv
}

// TestKilled: what a client has been told survives a process that ends without warning.
func TestKilled(t *testing.T) {
	d := &disk{records: map[string]string{}}
	srv := boot(t, d)
	tokens := paired(t, srv)
	code := visit(t, srv).Get("code")
	used := visit(t, srv).Get("code")
	wantTokens(t, post(t, srv, exchangeForm(used)))
	next, err := srv.RotateSecret(otherID, lwa.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	sw := srv.Switches()
	sw.RefreshRotation = lwatest.NewOldDies
	if err := srv.SetSwitches(sw); err != nil {
		t.Fatal(err)
	}
	if err := srv.AddCustomer(lwatest.Customer{UserID: "amzn1.account.NEW", Name: "New"}); err != nil {
		t.Fatal(err)
	}
	if err := srv.AddClient(lwatest.Client{ID: "later", Secret: newSecret("later"), RedirectURLs: []string{redirectURL}}); err != nil {
		t.Fatal(err)
	}
	if err := srv.Advance(time.Minute); err != nil {
		t.Fatal(err)
	}

	srv = boot(t, d) // kill -9, and start again
	if got := srv.Clock().Now(); !got.Equal(noon.Add(time.Minute)) {
		t.Errorf("the clock says %v, want it to be where it was moved to", got)
	}
	if g, ok := srv.Lookup(tokens.str("access_token")); !ok || g.Serial != "SN+0001" {
		t.Errorf("the access token = %+v, %t, want it to work", g, ok)
	}
	wantRefusal(t, post(t, srv, exchangeForm(used)), 400, "invalid_grant", badCode)
	wantTokens(t, post(t, srv, exchangeForm(code)))
	rotated := wantTokens(t, post(t, srv, refreshForm(tokens.str("refresh_token"))))

	srv = boot(t, d)
	wantRefusal(t, post(t, srv, refreshForm(tokens.str("refresh_token"))), 400, "invalid_grant", badRefresh)
	wantTokens(t, post(t, srv, refreshForm(rotated.str("refresh_token"))))
	for id, secret := range map[string]string{otherID: next.Reveal(), "later": "later"} {
		a := post(t, srv, exchangeForm(visit(t, srv, "client_id", id).Get("code"), "client_id", id, "client_secret", secret))
		wantTokens(t, a)
	}
	if _, err := srv.Revoke(lwatest.Match{}); err != nil {
		t.Fatal(err)
	}

	srv = boot(t, d)
	wantRefusal(t, post(t, srv, refreshForm(rotated.str("refresh_token"))), 400, "invalid_grant", badRefresh)
	if len(srv.Customers()) != 3 {
		t.Errorf("customers = %v, want the added one too", srv.Customers())
	}
}

// TestSnapshot: what was saved piece by piece is the whole.
func TestSnapshot(t *testing.T) {
	d := &disk{records: map[string]string{}}
	srv := boot(t, d)
	sw := srv.Switches()
	sw.RefreshRotation = lwatest.NewOldLives
	if err := srv.SetSwitches(sw); err != nil {
		t.Fatal(err)
	}
	token := paired(t, srv).str("refresh_token")
	for range 3 {
		wantTokens(t, post(t, srv, clientForm()))
		codePair(t, srv)
		answered := codePair(t, srv)
		if err := srv.EnterCode(answered.str("user_code"), lwatest.Visitor{}); err != nil {
			t.Fatal(err)
		}
		wantTokens(t, poll(t, srv, answered))
		token = wantTokens(t, post(t, srv, refreshForm(token))).str("refresh_token")
		if err := srv.Advance(25 * time.Hour); err != nil { // tokens are forgotten on the way
			t.Fatal(err)
		}
	}
	snapshot, err := srv.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	whole := map[string]string{}
	for _, r := range snapshot {
		whole[r.Key] = string(r.Value)
	}
	for key := range whole { // what Options named was never saved
		if strings.HasPrefix(key, "client/") || strings.HasPrefix(key, "customer/") {
			delete(whole, key)
		}
	}
	if diff := cmp.Diff(whole, d.records); diff != "" {
		t.Errorf("records (-snapshot +saved):\n%s", diff)
	}
	again, err := lwatest.New(options())
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	second, err := again.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(snapshot, second); diff != "" {
		t.Errorf("snapshot of a restored server (-want +got):\n%s", diff)
	}
}

// What was kept before there were other grant types goes on as what it was.
func TestRestoreOfAnEarlierVersion(t *testing.T) {
	srv := newServer(t, nil)
	token := paired(t, srv).str("refresh_token")
	code := visit(t, srv).Get("code")
	snapshot, err := srv.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	const member = `"type":"authorization_code",`
	stripped := 0
	for i, r := range snapshot {
		if text := string(r.Value); strings.Contains(text, member) {
			snapshot[i].Value = json.RawMessage(strings.Replace(text, member, "", 1))
			stripped++
		}
	}
	if stripped != 2 {
		t.Fatalf("%d records have a type, want both grants", stripped)
	}
	again := newServer(t, nil)
	if err := again.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	wantTokens(t, post(t, again, refreshForm(token)))
	wantTokens(t, post(t, again, exchangeForm(code)))
	if n := len(again.Grants(lwatest.Match{Type: "authorization_code"})); n != 2 {
		t.Errorf("%d grants by code, want 2", n)
	}
}

func TestSaveIsNotCalledForNothing(t *testing.T) {
	d := &disk{records: map[string]string{}, fail: errors.New("called")}
	srv := boot(t, d)
	if _, err := srv.Revoke(lwatest.Match{}); err != nil {
		t.Errorf("Revoke() of nothing: %v", err)
	}
	if err := srv.Advance(0); err != nil {
		t.Errorf("Advance(0): %v", err)
	}
}

// TestRestoreKeepsTheOrder: a restored server forgets the oldest access token first, too.
func TestRestoreKeepsTheOrder(t *testing.T) {
	srv := newServer(t, nil)
	refresh := paired(t, srv).str("refresh_token")
	var tokens []string
	for range 8 {
		srv.Clock().Advance(time.Second)
		tokens = append(tokens, wantTokens(t, post(t, srv, refreshForm(refresh))).str("access_token"))
	}
	snapshot, err := srv.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	srv = newServer(t, nil)
	if err := srv.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	srv.SetLimits(9, 9) // as many as there are, with that of the exchange
	for range 4 {       // which goes first, and then the first three
		wantTokens(t, post(t, srv, refreshForm(refresh)))
	}
	for i, token := range tokens {
		if _, ok := srv.Lookup(token); ok != (i >= 3) {
			t.Errorf("token %d of 8 is known: %t", i+1, ok)
		}
	}
}

// TestSaveFails: a full disk costs the request, and nothing is half done.
func TestSaveFails(t *testing.T) {
	d := &disk{records: map[string]string{}}
	srv := boot(t, d)
	tokens := paired(t, srv)
	code := visit(t, srv).Get("code")
	before := maps.Clone(d.records)
	d.fail = errors.New("disk full")

	for _, v := range []answer{post(t, srv, exchangeForm(code)), post(t, srv, refreshForm(tokens.str("refresh_token")))} {
		if v.Status != 500 || v.str("error") != "ServerError" || v.str("access_token") != "" {
			t.Errorf("answer = %d %s, want ServerError", v.Status, v.Body)
		}
	}
	back, err := srv.Visit(page(), lwatest.Visitor{})
	if err != nil || back.Query().Get("error") != "server_error" {
		t.Errorf("authorize = %v, %v, want server_error", back, err)
	}
	if ended, err := srv.Revoke(lwatest.Match{}); err == nil || ended != nil {
		t.Errorf("Revoke() = %v, %v, want an error", ended, err)
	}
	if _, err := srv.RotateSecret(clientID, lwa.Secret{}); err == nil {
		t.Error("RotateSecret() worked")
	}
	if err := srv.Advance(time.Second); err == nil {
		t.Error("Advance() worked")
	}
	if diff := cmp.Diff(before, d.records); diff != "" {
		t.Errorf("records (-before +after):\n%s", diff)
	}
	d.fail = nil
	wantTokens(t, post(t, srv, exchangeForm(code)))
	wantTokens(t, post(t, srv, refreshForm(tokens.str("refresh_token"))))
}

func TestRestoreRefuses(t *testing.T) {
	srv := newServer(t, nil)
	tokens := paired(t, srv)
	good, err := srv.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	find := func(prefix string) lwatest.Record {
		return good[slices.IndexFunc(good, func(r lwatest.Record) bool { return strings.HasPrefix(r.Key, prefix) })]
	}
	for name, bad := range map[string]lwatest.Record{
		"no JSON":             {Key: "switches", Value: json.RawMessage("{")},
		"two values":          {Key: "clock", Value: json.RawMessage("1 2")},
		"no value":            {Key: "clock"},
		"impossible switches": {Key: "switches", Value: json.RawMessage(`{"consent":"maybe"}`)},
		"unknown record":      {Key: "orders/1", Value: json.RawMessage("{}")},
		"unknown member":      {Key: "customer/amzn1.account.X", Value: json.RawMessage(`{"user_id":"amzn1.account.X","age":7}`)},
		"under another key":   {Key: "grant/other", Value: find("grant/").Value},
		"no digest":           {Key: "access/zz", Value: find("access/").Value},
		"client without ID":   {Key: "client/", Value: json.RawMessage("{}")},
	} {
		err := srv.Restore([]lwatest.Record{bad})
		if err == nil || !strings.Contains(err.Error(), bad.Key) {
			t.Errorf("%s: %v, want an error that names the record", name, err)
		}
	}
	wantTokens(t, post(t, srv, refreshForm(tokens.str("refresh_token")))) // nothing has changed
}
