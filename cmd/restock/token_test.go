package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/local"
)

// Without the key ring that sealed it a sign-in is lost, and nobody but a person brings it back.
func TestTokenOfLostRing(t *testing.T) {
	redirect := freeRedirectURL(t)
	b := startSandbox(t, nil, "--redirect-url", redirect)
	data := filepath.Join(t.TempDir(), "restock.db")
	l := startLogin(t, b.env(), "--data", data, "--redirect-url", redirect)
	var authorize authorizeEvent
	l.says(t, "authorize", &authorize)
	openPage(t, consent(t, authorize.URL).String())
	if r := l.ends(t); r.code != 0 {
		t.Fatalf("restock login: %+v", r)
	}
	if err := os.Remove(local.RingPath(data)); err != nil {
		t.Fatal(err)
	}
	r := restock(t, b.env(), "token", "--data", data)
	r.sentence(t, exitSignIn, "key ring "+local.RingPath(data), "restock login --scope profile")
	if strings.Contains(r.err, "grant:") || strings.Contains(r.err, "device") {
		t.Errorf("it says %s", r.err)
	}
}

// How much there is in the sandbox says nothing about its clock.
func TestTokenOfCrowdedSandbox(t *testing.T) {
	b := startSandbox(t, nil)
	for i := range 20 {
		customer := map[string]string{"user_id": fmt.Sprintf("amzn1.account.EXAMPLE%d", i), "name": strings.Repeat("x", 60_000), "email": "x@example.com", "postal_code": "10115"}
		if err := (&control{newAPI(b.APIURL)}).post(t.Context(), "/sandbox/customers", customer); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--data", filepath.Join(t.TempDir(), "restock.db"), "--scope", "messaging:push"}
	first := token(t, b.env(), args...)
	advance(t, b, "2h")
	if token(t, b.env(), args...) == first {
		t.Error("a token was printed that has expired by the sandbox's clock")
	}
}

func TestTokenOfApplication(t *testing.T) {
	b := startSandbox(t, nil)
	data := filepath.Join(t.TempDir(), "restock.db")
	first := token(t, b.env(), "--data", data, "--scope", "appstore::apps:readwrite")
	if !strings.HasPrefix(first, "Atc|") {
		t.Errorf("the token is %.4s…, want one of client_credentials", first)
	}
	if again := token(t, b.env(), "--data", data, "--scope", "appstore::apps:readwrite"); again != first {
		t.Error("the token was not used again")
	}
	stored, err := os.ReadFile(local.GrantsPath(data))
	if err != nil || strings.Contains(string(stored), first) {
		t.Errorf("the token is stored in plain text, or not at all: %v", err)
	}
	for name, c := range map[string]struct {
		env, args, words []string
		code             int
	}{
		"wrong secret": {
			[]string{clientSecretVariable + "=canary-secret"},
			[]string{"--scope", "messaging:push"},
			[]string{"invalid_client"},
			exitFailed,
		},
		"no secret":     {[]string{clientSecretVariable + "="}, []string{"--scope", "messaging:push"}, []string{clientSecretVariable}, exitUsage},
		"unknown scope": {nil, []string{"--scope", "appstore::none"}, []string{"invalid_scope", "scope"}, exitFailed},
		"customers'":    {nil, []string{"--scope", "profile"}, []string{"restock login --scope profile"}, exitSignIn},
		"no scope":      {nil, nil, []string{"restock login"}, exitSignIn},
		"region":        {nil, []string{"--region", "mars"}, []string{"--region must hold na, eu or fe"}, exitUsage},
		"both":          {nil, []string{"--scope", "profile", "--thing", "A::1"}, []string{"--thing", "--scope"}, exitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			r := restock(t, append(b.env(), c.env...), append([]string{"token", "--data", data}, c.args...)...)
			r.sentence(t, c.code, c.words...)
			if r.out != "" || strings.Contains(r.err, "canary") {
				t.Errorf("it printed %q, %q", r.out, r.err)
			}
		})
	}
}

// Nobody signs in for a device at a terminal: it is paired.
func TestTokenOfThingThatHasEnded(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	u.pair(t, "ACME-VAC-1", "SN0001")
	u.withdraw(t)
	args := []string{"token", "--data", u.data, "--thing", "ACME-VAC-1::SN0001"}
	restock(t, nil, args...).sentence(t, exitSignIn, "paired again")
	u.stop(t, os.Interrupt)
	r := restock(t, nil, args...)
	r.sentence(t, exitSignIn, "pair the device again")
	if strings.Contains(r.err, "restock login") {
		t.Errorf("it says %s", r.err)
	}
}

func TestTokenOfThing(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	u.pair(t, "ACME-VAC-1", "SN0001")
	args := []string{"--data", u.data, "--thing", "ACME-VAC-1::SN0001"}
	first := token(t, nil, args...)
	sandbox := &control{newAPI(u.Addresses.Sandbox)}
	if err := sandbox.post(t.Context(), "/sandbox/clock", map[string]string{"advance": "2h"}); err != nil {
		t.Fatal(err)
	}
	second := token(t, nil, args...)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u.Addresses.Sandbox+"/subscriptionInfo", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if first == second {
		t.Error("a token that had expired was printed")
	}
	req.Header.Set("Authorization", "Bearer "+second)
	req.Header.Set("x-amzn-accept-type", "com.amazon.dash.replenishment.DrsSubscriptionInfoResult@2.0")
	req.Header.Set("x-amzn-type-version", "com.amazon.dash.replenishment.DrsSubscriptionInfoInput@1.0")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 200 {
		t.Errorf("DRS answers %s to the token", res.Status)
	}
	restock(t, nil, "token", "--data", u.data, "--thing", "ACME-VAC-1::SN0009").sentence(t, exitSignIn, "not paired")
	restock(t, nil, "token", "--data", u.data, "--thing", "vacuum").sentence(t, exitUsage, "--thing")
	if strings.Contains(u.log.String(), second) {
		t.Error("the token was logged")
	}

	// Without the process the data file has it, for as long as it works.
	u.stop(t, os.Interrupt)
	if third := token(t, nil, args...); third != second {
		t.Error("the data file has another token")
	}
	restock(t, nil, "token", "--data", u.data, "--thing", "ACME-VAC-1::SN0009").sentence(t, exitSignIn, "not paired")
	restock(t, nil, "token", "--data", u.data+".none", "--thing", "ACME-VAC-1::SN0001").sentence(t, exitFailed, "restock up")
}
