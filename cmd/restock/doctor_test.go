package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/doctor"
	"github.com/restock-dev/restock/internal/local"
)

// findings runs restock doctor --json.
func findings(t *testing.T, env []string, code int, args ...string) map[string]doctor.Finding {
	t.Helper()
	r := restock(t, env, append([]string{"doctor", "check", "--json"}, args...)...)
	var report struct {
		Findings []doctor.Finding
		Fail     int
	}
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || r.code != code || (report.Fail > 0) != (code == exitFailed) {
		t.Fatalf("restock doctor %v: %+v, want code %d", args, r, code)
	}
	if strings.Contains(r.out+r.err, "canary") {
		t.Errorf("a secret was printed: %s", r.out)
	}
	all := map[string]doctor.Finding{}
	for _, f := range report.Findings {
		if have, ok := all[f.Check]; !ok || have.Level == doctor.OK {
			all[f.Check] = f
		}
	}
	return all
}

// levels checks the level of findings.
func levels(t *testing.T, got map[string]doctor.Finding, want map[string]doctor.Level) {
	t.Helper()
	for check, level := range want {
		if got[check].Level != level {
			t.Errorf("%s: %+v, want %s", check, got[check], level)
		}
	}
}

func TestDoctorOnSandbox(t *testing.T) {
	b := startSandbox(t, nil)
	data := []string{"--data", filepath.Join(t.TempDir(), "restock.db")}
	env := append(b.env(), "RESTOCK_DRS_URL="+b.APIURL)
	for check, f := range findings(t, env, 0, data...) {
		if f.Level != doctor.OK {
			t.Errorf("with what restock sandbox says to export: %s: %+v", check, f)
		}
	}
	levels(t, findings(t, env, 0, data...), map[string]doctor.Level{
		"settings": doctor.OK, "client ID": doctor.OK, "client secret": doctor.OK, "redirect URL": doctor.OK, "clock": doctor.OK,
		"Dash Replenishment": doctor.OK, "key ring": doctor.OK,
	})
	wrong := findings(t, append(env, clientSecretVariable+"=canary-secret"), exitFailed, append(data, "--redirect-url", "https://elsewhere.example.com/callback")...)
	levels(t, wrong, map[string]doctor.Level{"client ID": doctor.OK, "client secret": doctor.Fail, "redirect URL": doctor.Fail})
	if f := wrong["client secret"]; f.Setting != clientSecretVariable || f.Fix == "" {
		t.Errorf("the finding about the secret: %+v", f)
	}
	if _, err := os.Stat(local.RingPath(data[1])); err == nil {
		t.Error("restock doctor has made a key ring")
	}
	words := restock(t, env, append([]string{"doctor"}, data...)...)
	if words.code != 0 || !strings.Contains(words.out, "✓ client secret") || !strings.Contains(words.out, "0 failed") {
		t.Errorf("in words: %+v", words)
	}
}

// A client alone is what somebody has who wants tokens: restock up is no word about that.
func TestDoctorOnClientAlone(t *testing.T) {
	env := []string{"RESTOCK_LWA_CLIENT_ID=amzn1.application-oa2-client.1", clientSecretVariable + "=canary-secret", "HTTPS_PROXY=http://127.0.0.1:1"} // nothing leaves this machine
	alone := findings(t, env, exitFailed, "--data", filepath.Join(t.TempDir(), "restock.db"))
	if f, ok := alone["restock up"]; ok {
		t.Errorf("restock up: %+v", f)
	}
	half := findings(t, append(env, "RESTOCK_DRS_URL=http://127.0.0.1:1"), exitFailed, "--data", filepath.Join(t.TempDir(), "restock.db"))
	if f := half["restock up"]; f.Level != doctor.Warn || !strings.Contains(f.Fix, "login, token and deployed stacks need neither") {
		t.Errorf("with a DRS: %+v", f)
	}
}

func TestDoctorOnUp(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	u.pair(t, "ACME-VAC-1", "SN0001")
	data := []string{"--data", u.data}
	levels(t, findings(t, nil, 0, data...), map[string]doctor.Level{
		"restock up": doctor.OK, "devices": doctor.OK, "key ring": doctor.OK, "client ID": doctor.OK, "client secret": doctor.OK,
		"redirect URL": doctor.OK, "callback page": doctor.OK, "Dash Replenishment": doctor.OK,
	})
	held := findings(t, nil, 0, data...)
	if ring, tokens, devices := held["key ring"].Found, held["stored tokens"].Found, held["devices"].Found; strings.Contains(ring, "No token") ||
		!strings.Contains(tokens, "restock up holds the data file") || devices != "No refresh of the one device fails." {
		t.Errorf("while restock up holds the data file: %q, %q, %q", ring, tokens, devices)
	}
	u.stop(t, os.Interrupt)
	stopped := findings(t, nil, 0, data...)
	if f := stopped["key ring"]; f.Level != doctor.OK || !strings.Contains(f.Found, "opens the 2 stored tokens") {
		t.Errorf("the key ring: %+v", f)
	}

	// Another ring opens nothing.
	other := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	other.stop(t, os.Interrupt)
	text, err := os.ReadFile(local.RingPath(other.data))
	if err == nil {
		err = os.WriteFile(local.RingPath(u.data), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if f := findings(t, nil, exitFailed, data...)["stored tokens"]; f.Level != doctor.Fail || f.Setting != local.RingPath(u.data) {
		t.Errorf("with another key ring: %+v", f)
	}
	if err := os.Chmod(local.RingPath(u.data), 0o644); err != nil {
		t.Fatal(err)
	}
	if f := findings(t, nil, exitFailed, data...)["key ring"]; !strings.Contains(f.Found, "chmod 600") {
		t.Errorf("with a ring that others can read: %+v", f)
	}
	if err := os.Remove(local.RingPath(u.data)); err != nil {
		t.Fatal(err)
	}
	if f := findings(t, nil, exitFailed, data...)["key ring"]; !strings.Contains(f.Found, "missing") {
		t.Errorf("without a ring: %+v", f)
	}
}

func TestDoctorOfSettings(t *testing.T) {
	env := []string{"RESTOCK_LWA_REGION=mars", "RESTOCK_LWA_CLIENT_SECRET=canary secret", "RESTOCK_SHARDS=many"}
	r := restock(t, env, "doctor", "check", "--json", "--redirect-url", "http://example.com/")
	var report struct{ Findings []doctor.Finding }
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || r.code != exitFailed {
		t.Fatalf("restock doctor: %+v", r)
	}
	settings := map[string]bool{}
	for _, f := range report.Findings {
		settings[f.Setting] = f.Level == doctor.Fail && f.Fix != ""
	}
	for _, want := range []string{"RESTOCK_LWA_REGION", "RESTOCK_LWA_CLIENT_SECRET", "RESTOCK_SHARDS", "--redirect-url"} {
		if !settings[want] {
			t.Errorf("no finding about %s: %s", want, r.out)
		}
	}
	if strings.Contains(r.out+r.err, "canary") {
		t.Error("a secret was printed")
	}
	restock(t, nil, "doctor", "--profile", "x").sentence(t, exitUsage, "--stack")
	none := findings(t, []string{clientSecretVariable + "=canary-secret"}, exitFailed, "--data", filepath.Join(t.TempDir(), "restock.db"))
	levels(t, none, map[string]doctor.Level{"client ID": doctor.Fail})
}

func TestDoctorExplain(t *testing.T) {
	r := restock(t, nil, "doctor", "explain", `{"error_description":"canary","error":"invalid_client"}`)
	if r.code != 0 || !strings.Contains(r.out, "client secret") || strings.Contains(r.out, "canary") {
		t.Errorf("an error of LWA: %+v", r)
	}
	if r := restock(t, nil, "doctor", "explain", "Client", "authentication", "failed"); r.code != 0 || !strings.Contains(r.out, "client secret") {
		t.Errorf("words without quotes: %+v", r)
	}
	var all []doctor.Explanation
	r = restock(t, nil, "doctor", "explain", "--json", `{"code":"taken","detail":"x"}`)
	if err := json.Unmarshal([]byte(r.out), &all); err != nil || len(all) != 1 || all[0].What != "taken" {
		t.Errorf("a problem as JSON: %+v", r)
	}
	restock(t, nil, "doctor", "explain", "canary: nothing known").sentence(t, exitFailed, "nothing in this text is known")
	c := exec.Command(binary, "doctor", "explain")
	c.Env = cleanEnvironment()
	c.Stdin = strings.NewReader("level=INFO msg=press outcome=failed detail_code=TOO_OLD" + strings.Repeat(" ", doctor.MaxText) + "detail_code=BAD_MESSAGE")
	var out bytes.Buffer
	c.Stdout = &out
	if err := c.Run(); err != nil || !strings.Contains(out.String(), "TOO_OLD") || strings.Contains(out.String(), "BAD_MESSAGE") {
		t.Errorf("from standard input: %v %s", err, out.String())
	}
}

// A clock that somebody has moved on to see what comes of it is no fault of a set-up.
func TestDoctorOnMovedSandbox(t *testing.T) {
	b := startSandbox(t, nil)
	advance(t, b, "24h")
	alone := findings(t, append(b.env(), "RESTOCK_DRS_URL="+b.APIURL), 0, "--data", filepath.Join(t.TempDir(), "restock.db"))
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	if err := (&control{newAPI(u.Addresses.Sandbox)}).advance(t.Context(), 24*time.Hour); err != nil {
		t.Fatal(err)
	}
	for name, got := range map[string]map[string]doctor.Finding{"alone": alone, "restock up": findings(t, nil, 0, "--data", u.data)} {
		if f := got["clock"]; f.Level != doctor.OK || !strings.Contains(f.Found, "moved on by 24h0m0s") {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// Browsers come back to the redirect URL, whatever address restock up has.
func TestDoctorOnUpElsewhere(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"), "--redirect-url", freeRedirectURL(t))
	if f := findings(t, nil, exitFailed, "--data", u.data)["callback page"]; f.Level != doctor.Fail || !strings.Contains(f.Setting, "RESTOCK_REDIRECT_URL") {
		t.Errorf("the callback page: %+v", f)
	}
}

// What restock login has kept must open, too.
func TestDoctorOnSignIns(t *testing.T) {
	redirect := freeRedirectURL(t)
	b := startSandbox(t, nil, "--redirect-url", redirect)
	env := append(b.env(), "RESTOCK_DRS_URL="+b.APIURL, "RESTOCK_REDIRECT_URL="+redirect)
	data := filepath.Join(t.TempDir(), "restock.db")
	token(t, env, "--data", data, "--scope", "messaging:push")
	check := func(code int) doctor.Finding { return findings(t, env, code, "--data", data)["sign-ins"] }
	if f := check(0); f.Level != "" {
		t.Errorf("an application alone has no sign-in: %+v", f)
	}
	l := startLogin(t, env, "--data", data, "--redirect-url", redirect)
	var authorize authorizeEvent
	l.says(t, "authorize", &authorize)
	openPage(t, consent(t, authorize.URL).String())
	if r := l.ends(t); r.code != 0 {
		t.Fatalf("restock login: %+v", r)
	}
	if f := check(0); f.Level != doctor.OK || !strings.Contains(f.Found, "opens 1 in "+local.GrantsPath(data)) {
		t.Errorf("after a sign-in: %+v", f)
	}
	f, err := local.OpenGrants(t.Context(), data, nil)
	if err != nil {
		t.Fatal(err)
	}
	if held := check(0); held.Level != doctor.OK || !strings.Contains(held.Found, "not tried") {
		t.Errorf("while another command has them: %+v", held)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(local.RingPath(data), data+".away"); err != nil {
		t.Fatal(err)
	}
	if lost := check(exitFailed); lost.Setting != local.RingPath(data) || !strings.Contains(lost.Found, "missing") {
		t.Errorf("without key ring: %+v", lost)
	}
	token(t, env, "--data", data, "--scope", "messaging:push") // makes another
	if other := check(exitFailed); other.Setting != local.RingPath(data) || !strings.Contains(other.Fix, "restock login --scope profile --data "+data) {
		t.Errorf("with another key ring: %+v", other)
	}
	if err := os.Rename(data+".away", local.RingPath(data)); err != nil {
		t.Fatal(err)
	}
	if err := (&control{newAPI(b.APIURL)}).post(t.Context(), "/sandbox/withdraw", map[string]string{"customer": "amzn1.account.AEXAMPLEONE"}); err != nil {
		t.Fatal(err)
	}
	advance(t, b, "61m")
	restock(t, env, "token", "--data", data).sentence(t, exitSignIn, "restock login --scope profile")
	if ended := check(0); ended.Level != doctor.Warn || !strings.Contains(ended.Fix, "restock login --scope profile --data "+data) {
		t.Errorf("after the customer has withdrawn consent: %+v", ended)
	}
}
