package interop_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// stranger names what a test runs, and what with.
func stranger(t *testing.T, name, what string) {
	t.Helper()
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
		report.lines = append(report.lines, fmt.Sprintf("%-28s %-11s %s", name, result, what))
	})
}

// module names a Go module and the version that is built here.
func module(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Version}}", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Base(path) + " " + strings.TrimSpace(string(out))
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
