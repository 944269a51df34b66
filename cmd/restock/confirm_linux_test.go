package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// newTerminal returns both ends of a terminal: the person's, and the command's.
func newTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = slave.Close() })
	return master, slave
}

// onTerminal runs the command with a terminal as input and for what it asks, where a
// person types answer, and returns the exit code and what it printed and asked.
func onTerminal(t *testing.T, answer string, args ...string) (code int, out, asked string) {
	t.Helper()
	master, slave := newTerminal(t)
	c := exec.CommandContext(t.Context(), binary, args...)
	var stdout bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr, c.Env = slave, &stdout, slave, cleanEnvironment()
	if _, err := master.WriteString(answer + "\n"); err != nil { // typed ahead
		t.Fatal(err)
	}
	_ = c.Run() // the code says it
	_ = slave.Close()
	text, _ := io.ReadAll(master) // ends in an error, once nobody has the other side open
	return c.ProcessState.ExitCode(), stdout.String(), string(text)
}

// On a terminal a person is asked, and only yes is yes.
func TestConfirm(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	u.stop(t, syscall.SIGTERM)
	giveUp(t, u.data, pressJob(t, "ACME-VAC-1::SN0001", "filter", 0))
	u = startUp(t, u.data)
	for _, answer := range []string{"", "n", "yes please"} {
		code, out, asked := onTerminal(t, answer, "redrive", "--data", u.data)
		if code != exitFailed || !strings.Contains(asked, "Put 1 message back? [y/N]") || !strings.Contains(asked, "nothing was changed") || !strings.Contains(out, "1 dead letter") {
			t.Errorf("answered %q: code %d, %q, %q", answer, code, out, asked)
		}
	}
	if seen := runRedrive(t, "--data", u.data, "--dry-run"); seen.Queues[0].Count != 1 {
		t.Errorf("after no: %+v", seen)
	}
	if code, out, asked := onTerminal(t, "Y", "redrive", "--data", u.data); code != 0 || !strings.Contains(out, "1 message put back") {
		t.Errorf("answered yes: code %d, %q, %q", code, out, asked)
	}
	if seen := runRedrive(t, "--data", u.data, "--dry-run"); seen.Queues[0].Count != 0 {
		t.Errorf("after yes: %+v", seen)
	}
}
