package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/message"
)

// binary is the command, built once for all tests.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "restock-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }() // temporary anyway
	binary = filepath.Join(dir, "restock")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "building the command:", err)
		return 1
	}
	return m.Run()
}

// patienceInTests ends a test that waits for what never comes.
const patienceInTests = 60 * time.Second

// ran is what a command did.
type ran struct {
	code     int
	out, err string
}

// restock runs the command to its end, at home in an empty directory.
func restock(t *testing.T, env []string, args ...string) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patienceInTests)
	defer cancel()
	c := exec.CommandContext(ctx, binary, args...)
	c.Env = append(append(cleanEnvironment(), "HOME="+t.TempDir(), "XDG_DATA_HOME="), env...)
	var out, stderr bytes.Buffer
	c.Stdout, c.Stderr = &out, &stderr
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("restock %v: %v", args, err)
	}
	return ran{c.ProcessState.ExitCode(), out.String(), stderr.String()}
}

// sentence checks that a command ended with a code and one sentence that holds words.
func (r ran) sentence(t *testing.T, code int, words ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d; it said %q", r.code, code, r.err)
	}
	if !strings.HasPrefix(r.err, "restock: ") || strings.Count(r.err, "\n") != 1 || !strings.HasSuffix(r.err, "\n") {
		t.Errorf("it said %q, want one line that begins with restock:", r.err)
	}
	for _, w := range words {
		if !strings.Contains(r.err, w) {
			t.Errorf("it said %q, which does not hold %q", r.err, w)
		}
	}
}

// up is a running restock up of a test.
type up struct {
	announcement
	cmd  *exec.Cmd
	log  *tail
	data string
	out  *bytes.Buffer // what it printed after it was ready, once it has ended
	read chan struct{}
}

func startUp(t *testing.T, data string, args ...string) *up {
	t.Helper()
	return startUpWith(t, nil, data, args...)
}

func startUpWith(t *testing.T, env []string, data string, args ...string) *up {
	t.Helper()
	u := &up{data: data, log: new(tail), out: new(bytes.Buffer), read: make(chan struct{})}
	args = append([]string{"up", "--json", "--data", data, "--http", "localhost:0", "--mqtt", "localhost:0", "--sandbox", "localhost:0"}, args...)
	u.cmd = exec.Command(binary, args...)
	u.cmd.Env = append(cleanEnvironment(), env...)
	u.cmd.Stderr = u.log
	pipe, err := u.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := u.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = u.cmd.Process.Kill()
		_ = u.cmd.Wait()
		if t.Failed() {
			t.Logf("restock up said:\n%s", u.log)
		}
	})
	ready := make(chan error, 1)
	go func() {
		defer close(u.read)
		d := json.NewDecoder(pipe)
		ready <- d.Decode(&u.announcement)
		_, _ = u.out.ReadFrom(pipe)
	}()
	select {
	case err = <-ready:
	case <-time.After(patienceInTests):
		err = errors.New("it took too long")
	}
	if err != nil {
		t.Fatalf("restock up %v: %v: %s", args, err, u.log)
	}
	return u
}

// stop sends a signal and returns the exit code.
func (u *up) stop(t *testing.T, signal os.Signal) int {
	t.Helper()
	if err := u.cmd.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
	<-u.read
	_ = u.cmd.Wait() // the code says it
	return u.cmd.ProcessState.ExitCode()
}

// pair has a customer allow a device in a browser.
func (u *up) pair(t *testing.T, model, serial string) {
	t.Helper()
	b := newBrowser()
	p, err := b.open(t.Context(), u.Addresses.HTTP+"/?device_model="+model+"&serial="+serial)
	if err == nil {
		p, err = b.follow(t.Context(), p, "login")
	}
	if err == nil {
		p, err = b.submit(t.Context(), p, "decision", "allow")
	}
	if err != nil || p.status != 200 {
		t.Fatalf("pairing %s %s: %v, %+v", model, serial, err, p)
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{nil, {"--help"}, {"up", "--help"}, {"device", "--help"}, {"press", "-h"}, {"demo", "--help"}, {"devices", "--help"}, {"devices", "show", "--help"}, {"help"}, {"help", "devices"}} {
		r := restock(t, nil, args...)
		if r.code != 0 || !strings.HasPrefix(r.out, "Usage: restock") || r.err != "" {
			t.Errorf("restock %v: code %d, %q, %q", args, r.code, r.out, r.err)
		}
	}
	if r := restock(t, nil, "help", "press"); r.out != restock(t, nil, "press", "--help").out {
		t.Errorf("help press says %q", r.out)
	}
	if r := restock(t, nil, "up", "--help"); !strings.Contains(r.out, "($RESTOCK_LWA_API_URL)") || !strings.Contains(r.out, "($RESTOCK_MQTT_TRUST_LOCAL)") {
		t.Errorf("the help of up does not name the variables of its flags: %s", r.out)
	}
	if r := restock(t, nil, "press", "--help"); !strings.Contains(r.out, "restock press --thing") || !strings.Contains(r.out, "Exit code") {
		t.Errorf("the help of press has no example or no exit codes: %s", r.out)
	}
}

func TestVersion(t *testing.T) {
	if r := restock(t, nil, "--version"); r.code != 0 || r.out != restock(t, nil, "version").out {
		t.Errorf("--version: %+v", r)
	}
	if r := restock(t, nil, "version"); r.code != 0 || !strings.HasPrefix(r.out, "restock ") {
		t.Errorf("version: %+v", r)
	}
	var v struct{ Version, Go, Platform string }
	if r := restock(t, nil, "version", "--json"); json.Unmarshal([]byte(r.out), &v) != nil || v.Version == "" || v.Go == "" || v.Platform == "" {
		t.Errorf("version --json: %+v", r)
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args  []string
		words []string
	}{
		{[]string{"fly"}, []string{"fly", `see "restock --help"`}},
		{[]string{"press", "A::1", "filter"}, []string{"A::1", `see "restock press --help"`}},
		{[]string{"up", "--fly"}, []string{"--fly"}},
		{[]string{"up", "--http", "8080"}, []string{"--http must hold", "host:port"}},
		{[]string{"up", "--region", "mars"}, []string{"--region must hold na, eu or fe"}},
		{[]string{"up", "--redirect-url", "http://example.com/callback"}, []string{"--redirect-url must hold"}},
		{[]string{"press"}, []string{"--thing", "--slot"}},
		{[]string{"press", "--thing", "vacuum", "--slot", "x"}, []string{"--thing", "::"}},
		{[]string{"press", "--thing", "A::1", "--slot", "x", "--mqtt", "localhost"}, []string{"--mqtt", "localhost:1883"}},
		{[]string{"press", "--thing", "A::1", "--slot", "x", "--mqtt", "http://localhost:1883"}, []string{"--mqtt"}},
		{[]string{"press", "--thing", "A::1", "--slot", "x", "--id", "ä"}, []string{"--id", "printable"}},
		{[]string{"device", "A"}, []string{"serial"}},
		{[]string{"device", "A B", "1"}, []string{"device_model"}},
		{[]string{"device", "A", "1", "--http", "ftp://x"}, []string{"--http"}},
		{[]string{"devices", "show"}, []string{"thing", `see "restock devices show --help"`}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			restock(t, nil, c.args...).sentence(t, exitUsage, c.words...)
		})
	}
	t.Run("variable", func(t *testing.T) {
		restock(t, []string{"RESTOCK_LWA_REGION=mars"}, "up").sentence(t, exitUsage, "RESTOCK_LWA_REGION", "na, eu or fe")
	})
	t.Run("flag before variable", func(t *testing.T) {
		restock(t, []string{"RESTOCK_HTTP=localhost:1"}, "up", "--http", "nowhere").sentence(t, exitUsage, "--http")
	})
}

func TestUpRefuses(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	free := []string{"--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0", "--sandbox", "127.0.0.1:0"}
	for i, flag := range []string{"--http", "--mqtt", "--sandbox"} {
		t.Run(flag+" in use", func(t *testing.T) {
			args := append([]string{"up"}, free...)
			args[2+2*i] = taken.Addr().String()
			restock(t, nil, args...).sentence(t, exitFailed, flag, "in use")
		})
	}
	file := func(t *testing.T, text string) string {
		path := filepath.Join(t.TempDir(), "restock.db")
		for p, content := range map[string]string{path: text, local.RingPath(path): `{"primary":"k1","k1":"0123456789012345678901234567890123456789"}`} {
			if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	t.Run("damaged data file", func(t *testing.T) {
		text := strings.Repeat("this is no data file ", 1000)
		path := file(t, text)
		restock(t, nil, append([]string{"up", "--data", path}, free...)...).sentence(t, exitFailed, path, "--data")
		if after, err := os.ReadFile(path); err != nil || string(after) != text {
			t.Error("the damaged file was changed")
		}
	})
	t.Run("data file without key ring", func(t *testing.T) {
		u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
		u.stop(t, os.Interrupt)
		if err := os.Remove(local.RingPath(u.data)); err != nil {
			t.Fatal(err)
		}
		restock(t, nil, append([]string{"up", "--data", u.data}, free...)...).sentence(t, exitFailed, "the key ring", "is missing", local.RingPath(u.data))
	})
	t.Run("another program's file", func(t *testing.T) {
		path := file(t, "x")
		if err := os.Remove(local.RingPath(path)); err != nil {
			t.Fatal(err)
		}
		r := restock(t, nil, append([]string{"up", "--data", path}, free...)...)
		r.sentence(t, exitFailed, path, "--data")
		if strings.Contains(r.err, "key ring") {
			t.Errorf("it blames the key ring: %s", r.err)
		}
		if _, err := os.Stat(local.RingPath(path)); err == nil {
			t.Error("it has made a key ring beside a file that is not ours")
		}
	})
	t.Run("a directory", func(t *testing.T) {
		dir := t.TempDir()
		r := restock(t, nil, append([]string{"up", "--data", dir}, free...)...)
		r.sentence(t, exitFailed, dir, "not a regular file", "--data")
		if strings.Contains(r.err, "key ring") {
			t.Errorf("it blames the key ring: %s", r.err)
		}
	})
	t.Run("a secret without client ID", func(t *testing.T) {
		r := restock(t, []string{"RESTOCK_LWA_CLIENT_SECRET=canary-secret"}, append([]string{"up"}, free...)...)
		r.sentence(t, exitFailed, "RESTOCK_LWA_CLIENT_ID")
		if strings.Contains(r.err+r.out, "canary-secret") {
			t.Error("the secret was printed")
		}
	})
	t.Run("another LWA without client ID", func(t *testing.T) {
		restock(t, nil, append([]string{"up", "--lwa-url", "http://localhost:1"}, free...)...).sentence(t, exitFailed, "--client-id")
	})
	t.Run("data file in use", func(t *testing.T) {
		u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
		restock(t, nil, append([]string{"up", "--data", u.data}, free...)...).sentence(t, exitFailed, u.data, "in use", "--data")
	})
}

func TestUp(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "deep", "restock.db"))
	if u.Event != "ready" || !u.Trusted || !strings.HasPrefix(u.Try, u.Addresses.HTTP+"/?") || u.PID != u.cmd.Process.Pid {
		t.Errorf("it announced %+v", u.announcement)
	}
	if want := u.Addresses.HTTP + "/callback"; u.Addresses.Redirect != want {
		t.Errorf("redirect URL %s, want %s", u.Addresses.Redirect, want)
	}
	for _, path := range []string{u.data, local.RingPath(u.data), u.data + ".sock"} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", path, info, err)
		}
	}
	if code := u.stop(t, os.Interrupt); code != 0 {
		t.Errorf("Ctrl-C ended it with code %d: %s", code, u.log)
	}
	if _, err := os.Stat(u.data + ".sock"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the admin socket is still there: %v", err)
	}
	again := startUp(t, u.data)
	if code := again.stop(t, syscall.SIGTERM); code != 0 {
		t.Errorf("SIGTERM ended it with code %d: %s", code, again.log)
	}
}

// With both of Amazon's services elsewhere there is no sandbox.
func TestUpElsewhere(t *testing.T) {
	u := startUpWith(t, []string{"RESTOCK_LWA_CLIENT_SECRET=canary-secret"}, filepath.Join(t.TempDir(), "restock.db"),
		"--lwa-url", "http://localhost:1", "--drs-url", "http://localhost:1", "--client-id", "amzn1.application-oa2-client.1")
	if u.Addresses.Sandbox != "" {
		t.Errorf("there is a sandbox at %s", u.Addresses.Sandbox)
	}
	p, err := newBrowser().open(t.Context(), u.Addresses.HTTP+"/?device_model=ACME-VAC-1&serial=SN0001")
	if err != nil || p.status != 200 {
		t.Errorf("the pairing page: %v, %+v", err, p)
	}
	if strings.Contains(u.log.String(), "canary-secret") {
		t.Error("the secret was logged")
	}
}

func TestAsksRunning(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	data := []string{"--data", u.data}
	if r := restock(t, nil, append([]string{"devices", "list"}, data...)...); r.code != 0 || !strings.Contains(r.out, "No device") {
		t.Errorf("devices list before the first: %+v", r)
	}
	u.pair(t, "ACME-VAC-1", "SN0001")
	if r := restock(t, nil, append([]string{"devices", "list"}, data...)...); r.code != 0 || !strings.Contains(r.out, "ACME-VAC-1::SN0001  active") {
		t.Errorf("devices list: %+v", r)
	}
	var all []local.Device
	if r := restock(t, nil, append([]string{"devices", "list", "--json"}, data...)...); json.Unmarshal([]byte(r.out), &all) != nil || len(all) != 1 || all[0].Status != "active" || len(all[0].Slots) != 3 {
		t.Errorf("devices list --json: %+v", r)
	}
	if r := restock(t, []string{"RESTOCK_DATA=" + u.data}, "devices", "show", "ACME-VAC-1::SN0001"); r.code != 0 || !strings.Contains(r.out, "filter, subscribed") || !strings.Contains(r.out, "amzn1.account.") {
		t.Errorf("devices show: %+v", r)
	}
	restock(t, nil, append([]string{"devices", "show", "ACME-VAC-1::SN0009"}, data...)...).sentence(t, exitFailed, "ACME-VAC-1::SN0009")
	var s local.Status
	if r := restock(t, nil, append([]string{"status", "--json"}, data...)...); json.Unmarshal([]byte(r.out), &s) != nil || s.Addresses != u.Addresses || s.PID != u.PID {
		t.Errorf("status --json: %+v", r)
	}
	press := []string{"press", "--mqtt", u.Addresses.MQTT, "--thing", "ACME-VAC-1::SN0001", "--slot", "filter"}
	if r := restock(t, nil, press...); r.code != 0 {
		t.Errorf("press: %+v", r)
	}
	if r := restock(t, nil, append([]string{"status"}, data...)...); r.code != 0 || !strings.Contains(r.out, u.Addresses.HTTP) ||
		!strings.Contains(r.out, "1  presses (by mqtt, outcome ordered)\n") || !strings.Contains(r.out, "1  sign-ins of customers (outcome paired)\n") {
		t.Errorf("status: %+v", r)
	}
	elsewhere := []string{"--data", filepath.Join(t.TempDir(), "none.db")}
	for _, args := range [][]string{{"devices", "list"}, {"devices", "show", "A::1"}, {"status"}} {
		restock(t, nil, append(args, elsewhere...)...).sentence(t, exitFailed, "restock up")
	}
}

func TestPress(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	u.pair(t, "ACME-VAC-1", "SN0001")
	press := func(thing, slot string, more ...string) (message.Result, ran) {
		t.Helper()
		r := restock(t, nil, append([]string{"press", "--json", "--mqtt", u.Addresses.MQTT, "--thing", thing, "--slot", slot}, more...)...)
		var result message.Result
		if err := json.Unmarshal([]byte(r.out), &result); err != nil {
			t.Fatalf("press printed %q and said %q", r.out, r.err)
		}
		return result, r
	}
	first, r := press("ACME-VAC-1::SN0001", "filter", "--id", "one")
	if r.code != 0 || first.Outcome != message.Ordered || first.ID != "one" {
		t.Errorf("press: code %d, %+v", r.code, first)
	}
	if again, r := press("ACME-VAC-1::SN0001", "filter", "--id", "one"); r.code != 0 || !again.Replayed || again.InstanceID != first.InstanceID {
		t.Errorf("the same press again: code %d, %+v", r.code, again)
	}
	if open, r := press("ACME-VAC-1::SN0001", "filter"); r.code != 0 || open.Outcome != message.InProgress {
		t.Errorf("another press: code %d, %+v", r.code, open)
	}
	for slot, want := range map[string]message.Outcome{"side-brush": message.NotSubscribed, "no-such": message.UnknownSlot} {
		if result, r := press("ACME-VAC-1::SN0001", slot); r.code != exitFailed || result.Outcome != want {
			t.Errorf("press %s: code %d, %+v; want %s", slot, r.code, result, want)
		}
	}
	if result, r := press("ACME-VAC-1::SN0009", "filter"); r.code != exitFailed || result.Outcome != message.NotRegistered {
		t.Errorf("press of a stranger: code %d, %+v", r.code, result)
	}
	plain := restock(t, nil, "press", "--mqtt", u.Addresses.MQTT, "--thing", "ACME-VAC-1::SN0001", "--slot", "main-brush")
	if plain.code != 0 || !strings.HasPrefix(plain.out, "✓ ordered  main-brush") || strings.Contains(plain.out, "\x1b") {
		t.Errorf("press in words: %+v", plain)
	}
	t.Run("no broker", func(t *testing.T) {
		restock(t, nil, "press", "--mqtt", "localhost:1", "--thing", "A::1", "--slot", "x").sentence(t, exitFailed, "localhost:1", "restock up")
	})
}

func TestPressWhileAmazonIsInTrouble(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	u.pair(t, "ACME-VAC-1", "SN0001")
	box := &control{newAPI(u.Addresses.Sandbox)}
	fault := map[string]any{"route": "replenish", "kind": "server_error", "times": 1000}
	if err := box.post(t.Context(), "/sandbox/faults", map[string]any{"drs": []any{fault}}); err != nil {
		t.Fatal(err)
	}
	r := restock(t, nil, "press", "--json", "--timeout", "500ms", "--mqtt", u.Addresses.MQTT, "--thing", "ACME-VAC-1::SN0001", "--slot", "filter")
	var result message.Result
	if err := json.Unmarshal([]byte(r.out), &result); err != nil || r.code != exitFailed || result.Outcome != message.Retrying {
		t.Errorf("code %d, %+v, %v; want retrying", r.code, result, err)
	}
}

func TestPressNeedsKey(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"), "--no-mqtt-trust-local")
	if u.Trusted {
		t.Error("it says that it trusts this machine")
	}
	args := []string{"press", "--mqtt", u.Addresses.MQTT, "--thing", "ACME-VAC-1::SN0001", "--slot", "filter"}
	restock(t, nil, args...).sentence(t, exitFailed, "RESTOCK_DEVICE_KEY")
	r := restock(t, []string{"RESTOCK_DEVICE_KEY=canary-key"}, args...)
	r.sentence(t, exitFailed, "device key")
	if strings.Contains(r.err+u.log.String(), "canary-key") {
		t.Error("the key was printed")
	}
}

func TestDemo(t *testing.T) {
	r := restock(t, nil, "demo")
	if r.code != 0 || strings.Contains(r.out, "✗") || !strings.Contains(r.out, "All ") {
		t.Errorf("restock demo: code %d\n%s\n%s", r.code, r.out, r.err)
	}
	t.Logf("%s", r.out)
}

func TestDemoJSON(t *testing.T) {
	r := restock(t, nil, "demo", "--json")
	chapters := map[string]bool{}
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	for _, line := range lines[:len(lines)-1] {
		var s step
		if err := json.Unmarshal([]byte(line), &s); err != nil || !s.OK || s.Step == "" {
			t.Errorf("step %s: %v", line, err)
		}
		chapters[s.Chapter] = true
	}
	var end struct {
		Event          string
		OK             bool
		Passed, Failed int
	}
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &end); err != nil || end.Event != "end" || !end.OK || end.Passed != len(lines)-1 || end.Failed != 0 {
		t.Errorf("the end: %s", lines[len(lines)-1])
	}
	if r.code != 0 || len(chapters) != 7 {
		t.Errorf("code %d, %d chapters: %s", r.code, len(chapters), r.err)
	}
}
