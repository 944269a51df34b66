package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestLoginByCodePair(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	quick := map[string]any{"lwa": map[string]string{"poll_interval": "1s"}}
	if err := (&control{newAPI(u.Addresses.Sandbox)}).post(t.Context(), "/sandbox/switches", quick); err != nil {
		t.Fatal(err)
	}
	l := startLogin(t, nil, "--data", u.data, "--device")
	var pair struct {
		URL      string
		UserCode string `json:"user_code"`
	}
	l.says(t, "code_pair", &pair)
	b := newBrowser()
	p, err := b.open(t.Context(), pair.URL)
	if err == nil {
		p, err = b.submit(t.Context(), p, "user_code", pair.UserCode)
	}
	if err == nil {
		p, err = b.submit(t.Context(), p, "decision", "allow")
	}
	if err != nil || p.status != 200 {
		t.Fatalf("entering the code: %v %+v", err, p)
	}
	var done signedIn
	l.says(t, "signed_in", &done)
	if r := l.ends(t); r.code != 0 || !done.Renewable || strings.Contains(r.out+r.err, "Atz") {
		t.Errorf("restock login --device: %+v, %+v", r, done)
	}
	token(t, nil, "--data", u.data, "--scope", "profile")
	u.withdraw(t)
	restock(t, nil, "token", "--data", u.data).sentence(t, exitSignIn, "restock login --device --scope profile")
}

func TestLoginByCodePairThatExpires(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	quick := map[string]any{"lwa": map[string]string{"poll_interval": "1s", "code_pair_life": "1s"}}
	if err := (&control{newAPI(u.Addresses.Sandbox)}).post(t.Context(), "/sandbox/switches", quick); err != nil {
		t.Fatal(err)
	}
	restock(t, nil, "login", "--data", u.data, "--device").sentence(t, exitFailed, "nobody has signed in while the code was good")
}

// On another device, too, the customer may allow less than was asked for.
func TestLoginByCodePairForFewerScopes(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	switches := map[string]any{"lwa": map[string]any{"consent": "allow", "drop_voluntary": true, "scope_always": true, "poll_interval": "1s"}}
	if err := (&control{newAPI(u.Addresses.Sandbox)}).post(t.Context(), "/sandbox/switches", switches); err != nil {
		t.Fatal(err)
	}
	l := startLogin(t, nil, "--data", u.data, "--device", "--scope", "profile", "--scope", "postal_code", "--scope-data", `{"postal_code":{"essential":false}}`)
	l.says(t, "code_pair", new(struct{}))
	var done signedIn
	l.says(t, "signed_in", &done)
	if len(done.Scopes) != 1 || done.Scopes[0] != "profile" {
		t.Errorf("the grant is for %q, want profile", done.Scopes)
	}
}
