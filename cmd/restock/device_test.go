package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

// deviceProcess is a running restock device --json.
type deviceProcess struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	events chan deviceEvent
	early  []deviceEvent // that came while another was waited for
	log    *tail
}

type deviceEvent struct {
	Event string          `json:"event"`
	Data  json.RawMessage `json:"data"`
}

func startDevice(t *testing.T, u *up, keys string, args ...string) *deviceProcess {
	t.Helper()
	d := &deviceProcess{events: make(chan deviceEvent, 100), log: new(tail)}
	args = append([]string{"device", "ACME-VAC-1", "SN0007", "--json", "--keys", keys, "--http", u.Addresses.HTTP, "--mqtt", u.Addresses.MQTT}, args...)
	d.cmd = exec.Command(binary, args...)
	d.cmd.Env = cleanEnvironment()
	d.cmd.Stderr = d.log
	var err error
	if d.stdin, err = d.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
	})
	go func() {
		defer close(d.events)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e deviceEvent
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				d.events <- e
			}
		}
	}()
	return d
}

// next returns the next event of a name, and leaves others for later.
func next[T any](t *testing.T, d *deviceProcess, name string) (v T) {
	t.Helper()
	read := func(e deviceEvent) T {
		if err := json.Unmarshal(e.Data, &v); err != nil {
			t.Fatalf("event %s %s: %v", name, e.Data, err)
		}
		return v
	}
	for i, e := range d.early {
		if e.Event == name {
			d.early = append(d.early[:i:i], d.early[i+1:]...)
			return read(e)
		}
	}
	limit := time.After(patienceInTests)
	for {
		select {
		case e, more := <-d.events:
			switch {
			case !more:
				t.Fatalf("the device ended before %s: %s", name, d.log)
			case e.Event == name:
				return read(e)
			}
			d.early = append(d.early, e)
		case <-limit:
			t.Fatalf("waited %v for the event %s: %s", patienceInTests, name, d.log)
		}
	}
}

func (d *deviceProcess) types(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(d.stdin, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

// presses types a line and returns the ID of the press that comes of it.
func (d *deviceProcess) presses(t *testing.T, line string) (id string) {
	t.Helper()
	d.types(t, line)
	return next[message.Replenish](t, d, "pressed").ID
}

// result returns the next result of a press. Those of other presses may come at any time.
func (d *deviceProcess) result(t *testing.T, id string) message.Result {
	t.Helper()
	for {
		if r := next[message.Result](t, d, "result"); r.ID == id {
			return r
		}
	}
}

func (d *deviceProcess) ends(t *testing.T) int {
	t.Helper()
	_ = d.stdin.Close()
	for range d.events { // to the end of its output
	}
	_ = d.cmd.Wait() // the code says it
	return d.cmd.ProcessState.ExitCode()
}

func allow(t *testing.T, link string) {
	t.Helper()
	b := newBrowser()
	p, err := b.open(t.Context(), link)
	if err == nil {
		p, err = b.follow(t.Context(), p, "login")
	}
	if err == nil {
		p, err = b.submit(t.Context(), p, "decision", "allow")
	}
	if err != nil || p.status != 200 {
		t.Fatalf("allowing: %v, %+v", err, p)
	}
}

func TestDevice(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"), "--no-mqtt-trust-local")
	keys := t.TempDir()
	d := startDevice(t, u, keys)
	invitation := next[pendingPairing](t, d, "pairing")
	allow(t, invitation.URL)
	if reg := next[message.Registration](t, d, "ready"); reg.Status != "active" || len(reg.Slots) != 3 {
		t.Errorf("ready with %+v", reg)
	}
	if r := d.result(t, d.presses(t, "")); r.Outcome != message.Ordered || r.Slot != "filter" {
		t.Errorf("Enter ordered %+v", r)
	}
	if o := next[message.Order](t, d, "order"); o.Slot != "filter" {
		t.Errorf("order %+v", o)
	}
	if r := d.result(t, d.presses(t, "main-brush")); r.Outcome != message.Ordered || r.Slot != "main-brush" {
		t.Errorf("the name of a slot ordered %+v", r)
	}
	d.types(t, "side-brush") // the result is waited for
	if code := d.ends(t); code != 0 {
		t.Errorf("switched off with code %d: %s", code, d.log)
	}

	files, err := filepath.Glob(filepath.Join(keys, "*", "*.json"))
	if err != nil || len(files) != 1 {
		t.Fatalf("key files %v, %v", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v; want mode 0600", info.Mode(), err)
	}

	// It remembers its key; and when the grant ends, Enter pairs again with it.
	d = startDevice(t, u, keys)
	next[message.Registration](t, d, "ready")
	box := &control{newAPI(u.Addresses.Sandbox)}
	if err := box.post(t.Context(), "/sandbox/withdraw", map[string]string{"thing": "ACME-VAC-1::SN0007"}); err != nil {
		t.Fatal(err)
	}
	if err := box.advance(t.Context(), 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	if reg := next[message.Registration](t, d, "registration"); reg.Status != "grant_ended" || reg.Reason != "consent_withdrawn" {
		t.Errorf("told %+v", reg)
	}
	d.types(t, "")
	allow(t, next[pendingPairing](t, d, "pairing").URL)
	next[message.Registration](t, d, "ready")
	if r := d.result(t, d.presses(t, "")); !good(r.Outcome) {
		t.Errorf("after pairing again Enter gave %+v", r)
	}
	if code := d.ends(t); code != 0 {
		t.Errorf("switched off with code %d: %s", code, d.log)
	}
}

// What came of a press while the device was off is told at the next start, and not as if
// it were the answer to a press that was not made.
func TestDeviceHearsLateResult(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	keys := t.TempDir()
	d := startDevice(t, u, keys)
	allow(t, next[pendingPairing](t, d, "pairing").URL)
	next[message.Registration](t, d, "ready")
	box := &control{newAPI(u.Addresses.Sandbox)}
	busy := []drstest.Fault{{Route: drstest.RouteReplenish, Kind: drstest.Throttled, Times: 100}}
	if err := box.fault(t.Context(), sandbox.Faults{DRS: busy}); err != nil {
		t.Fatal(err)
	}
	id := d.presses(t, "filter")
	if r := d.result(t, id); r.Outcome != message.Retrying {
		t.Errorf("while DRS is busy Enter gave %+v", r)
	}
	_ = d.cmd.Process.Kill()
	d.ends(t)
	if err := box.call(t.Context(), http.MethodDelete, "/sandbox/faults", "", nil, new(sandbox.Faults)); err != nil {
		t.Fatal(err)
	}
	text := deviceText(t, u, "SN0007", keys, string(message.Ordered)+"  filter")
	if last := text[strings.LastIndex(strings.TrimSpace(text), "\n")+1:]; !strings.Contains(last, "for a press made earlier or elsewhere") {
		t.Errorf("it printed:\n%s", text)
	}
}

// A device that was switched off while its customer looked at the page goes on where it was.
func TestDevicePendingPairing(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	keys := t.TempDir()
	d := startDevice(t, u, keys)
	invitation := next[pendingPairing](t, d, "pairing")
	_ = d.cmd.Process.Kill()
	d.ends(t)
	allow(t, invitation.URL)
	d = startDevice(t, u, keys)
	if reg := next[message.Registration](t, d, "ready"); reg.Status != "active" {
		t.Errorf("ready with %+v", reg)
	}
}

func TestDeviceDraws(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	text := deviceText(t, u, "SN0008", t.TempDir(), "?pairing=")
	if !strings.Contains(text, "▄") || !strings.Contains(text, u.Addresses.HTTP+"/?pairing=") || strings.Contains(text, "\x1b") {
		t.Errorf("it printed:\n%s", text)
	}
	if !strings.Contains(text, "open the link on this machine") || strings.Contains(text, "with a phone") {
		t.Errorf("its link leads to this machine, and it says:\n%s", text)
	}
}

// deviceText returns what a device prints for a person up to a line that holds words. Then
// Ctrl-C ends it.
func deviceText(t *testing.T, u *up, serial, keys, words string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patienceInTests)
	defer cancel()
	c := exec.CommandContext(ctx, binary, "device", "ACME-VAC-1", serial, "--keys", keys, "--http", u.Addresses.HTTP, "--mqtt", u.Addresses.MQTT)
	c.Env = cleanEnvironment()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.StdinPipe(); err != nil { // its end would switch the device off
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), words) {
			break
		}
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatalf("it ended by itself, and printed:\n%s", text.String())
	}
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != 0 {
		t.Errorf("Ctrl-C ended it with code %d", code)
	}
	return text.String()
}

// Nobody can switch it off any more: it must not wait on.
func TestDeviceEndsWithItsInput(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	d := startDevice(t, u, t.TempDir())
	next[pendingPairing](t, d, "pairing")
	if code := d.ends(t); code != exitFailed || !strings.Contains(d.log.String(), "switched off before the customer has finished") {
		t.Errorf("it ended with code %d: %s", code, d.log)
	}
}

func TestLinksThatPhonesDoNotReach(t *testing.T) {
	for link, want := range map[string]bool{
		"http://localhost:8080/?pairing=1": true, "http://127.0.0.1:8080/": true, "http://[::1]:8080/": true, "http://LOCALHOST/": true,
		"https://pair.example.com/?pairing=localhost": false, "http://192.0.2.7:8080/": false, "http://localhost.example.com/": false,
	} {
		if onThisMachine(link) != want {
			t.Errorf("onThisMachine(%s) = %t, want %t", link, !want, want)
		}
	}
}

func TestDeviceWithoutRestock(t *testing.T) {
	restock(t, nil, "device", "ACME-VAC-1", "SN0001", "--http", "localhost:1").sentence(t, exitFailed, "localhost:1", "restock up")
}
