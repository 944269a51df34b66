package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/openapitest"
)

// binary is the command as a user gets it; TestMain builds it.
var binary string

func TestMain(m *testing.M) { os.Exit(build(m)) }

func build(m *testing.M) int {
	dir, err := os.MkdirTemp("", "restock-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "restock")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/restock").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building restock: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// stack is a running restock up.
type stack struct {
	Pages   string `json:"http"`
	MQTT    string `json:"mqtt"`
	Sandbox string `json:"sandbox"`

	data string // the data file
}

// startUp starts restock up on free ports, with data of its own and further flags.
func startUp(t *testing.T, flags ...string) *stack {
	t.Helper()
	data := filepath.Join(t.TempDir(), "restock.db")
	cmd := exec.CommandContext(t.Context(), binary, append([]string{
		"up", "--json", "--data", data, "--http", "localhost:0", "--mqtt", "localhost:0", "--sandbox", "localhost:0",
	}, flags...)...)
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // its data goes with the folder
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("restock up said:\n%s", log.String())
		}
	})
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	var ready struct {
		Event     string `json:"event"`
		Addresses stack  `json:"addresses"`
	}
	if err != nil || json.Unmarshal([]byte(line), &ready) != nil || ready.Event != "ready" {
		t.Fatalf("restock up printed %q, %v, want its addresses", line, err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }() // so that it never waits for us
	ready.Addresses.data = data
	return &ready.Addresses
}

// device is a device that has started its pairing.
type device struct {
	ID        string `json:"id"`
	DeviceKey string `json:"device_key"`
	URL       string `json:"url"`
	pages     string
}

func (s *stack) pair(t *testing.T, model, serial string) *device {
	t.Helper()
	d := &device{pages: s.Pages}
	call(t, http.MethodPost, s.Pages+"/v1/pairings", "", fmt.Sprintf(`{"device_model":%q,"serial":%q}`, model, serial), d)
	return d
}

func (d *device) status(t *testing.T) string {
	t.Helper()
	var p struct {
		Status string `json:"status"`
	}
	call(t, http.MethodGet, d.pages+"/v1/pairings/"+d.ID, d.DeviceKey, "", &p)
	return p.Status
}

func (d *device) replenish(t *testing.T, slot string) (r message.Result) {
	t.Helper()
	call(t, http.MethodPost, d.pages+"/v1/replenish", d.DeviceKey, fmt.Sprintf(`{"slot":%q}`, slot), &r)
	return r
}

func call(t *testing.T, method, to, key, body string, v any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, to, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if !strings.HasPrefix(req.URL.Path, "/sandbox/") {
		openapitest.Check(t, req, []byte(body), res.StatusCode, res.Header, text)
	}
	if err != nil || res.StatusCode/100 != 2 || json.Unmarshal(text, v) != nil {
		t.Fatalf("%s %s = %s %s, %v", method, req.URL.Path, res.Status, text, err)
	}
}
