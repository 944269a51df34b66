package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A script must not take a result that was cut off, as by a full disk, for a whole one.
func TestOutputLost(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = full.Close() })
	for _, args := range [][]string{
		{"doctor", "--data", u.data},
		{"doctor", "check", "--json", "--data", u.data},
		{"doctor", "explain", "invalid_client"},
		{"status", "--data", u.data},
		{"devices", "list", "--data", u.data},
		{"version"},
	} {
		c := exec.CommandContext(t.Context(), binary, args...)
		var stderr bytes.Buffer
		c.Stdout, c.Stderr, c.Env = full, &stderr, cleanEnvironment()
		_ = c.Run() // the code says it
		t.Run(args[0], func(t *testing.T) {
			ran{code: c.ProcessState.ExitCode(), err: stderr.String()}.sentence(t, exitFailed, "no space left")
		})
	}
}
