package bolt_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Some tests need a second process. It is this binary, told by its environment which
// of the children to be, and on which file.
const (
	childName = "BOLT_TEST_CHILD"
	childFile = "BOLT_TEST_FILE"
)

var children = map[string]func(path string) error{
	"open": func(path string) error { _, err := openOnly(path); return err },
	"hold": hold, "write": writeForever,
}

func TestMain(m *testing.M) {
	child, ok := children[os.Getenv(childName)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := child(os.Getenv(childFile)); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

// child makes a process that has not started yet.
func child(t *testing.T, name, path string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Env = append(os.Environ(), childName+"="+name, childFile+"="+path)
	cmd.Stderr = os.Stderr
	return cmd
}

// run waits for a child and returns the error that it printed, "" for none.
func run(t *testing.T, name, path string) string {
	t.Helper()
	out, err := child(t, name, path).Output()
	text, failed := strings.CutPrefix(strings.TrimSpace(string(out)), "error: ")
	if failed != (err != nil) {
		t.Fatalf("child %s = %v with output %q", name, err, out)
	}
	if failed {
		return text
	}
	return ""
}

// hold opens a file and keeps it until its standard input ends.
func hold(path string) error {
	s, err := openOnly(path)
	if err != nil {
		return err
	}
	fmt.Println("open")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return s.Close()
}
