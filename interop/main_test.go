package interop_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
)

// report is what the run says at its end: a line for each stranger.
var report struct {
	mu    sync.Mutex
	lines []string
}

func TestMain(m *testing.M) {
	status := m.Run()
	slices.Sort(report.lines)
	for _, line := range report.lines {
		fmt.Println(line)
	}
	os.Exit(status)
}

// subject is a stranger. Its version is told once it is known.
type subject struct{ name, version string }

// stranger says who a test is about, and what it is held to.
func stranger(t *testing.T, name, what string) *subject {
	t.Helper()
	s := &subject{name: name}
	t.Cleanup(func() {
		result := "agrees"
		switch {
		case t.Failed():
			result = "DISAGREES"
		case t.Skipped():
			result = "was not run"
		}
		report.mu.Lock()
		defer report.mu.Unlock()
		report.lines = append(report.lines, fmt.Sprintf("%-33s %-11s %s", s.name+" "+s.version, result, what))
	})
	return s
}

// module is a stranger that is a Go module.
func module(t *testing.T, path, what string) {
	t.Helper()
	s := stranger(t, path, what)
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	s.version = strings.TrimSpace(string(out))
}

// need finds a command and what make interop has fetched for it. Without them a laptop
// skips; CI fails.
func need(t *testing.T, command, fetched string) string {
	t.Helper()
	path, err := exec.LookPath(command)
	if err == nil {
		_, err = os.Stat(fetched)
	}
	switch {
	case err == nil:
		return path
	case os.Getenv("CI") != "":
		t.Fatalf("%v: make interop fetches what is missing", err)
	}
	t.Skipf("%v: make interop fetches what is missing", err)
	return ""
}

// run runs a stranger's program to its end, and fails with what it wrote.
func run(t *testing.T, dir, command string, env []string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmp.Or(args...), err, out)
	}
}
