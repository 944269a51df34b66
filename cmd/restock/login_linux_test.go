package main

import (
	"bytes"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/restock-dev/restock/internal/local"
)

// Who is asked for a client secret may take long, and other commands need the file.
func TestTokenAsksWithoutLock(t *testing.T) {
	b := startSandbox(t, nil)
	data := filepath.Join(t.TempDir(), "restock.db")
	master, slave := newTerminal(t)
	c := exec.CommandContext(t.Context(), binary, "token", "--data", data, "--client-id", b.ClientID, "--lwa-url", b.APIURL, "--scope", "messaging:push")
	var stdout bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr, c.Env = slave, &stdout, slave, cleanEnvironment()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	asked, part := "", make([]byte, 512)
	for !strings.Contains(asked, "Client secret of") {
		n, err := master.Read(part)
		if err != nil {
			t.Fatalf("it asked %q: %v", asked, err)
		}
		asked += string(part[:n])
	}
	f, err := local.OpenGrants(t.Context(), data, nil)
	if err != nil {
		t.Fatalf("while it asks: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := master.WriteString(b.ClientSecret + "\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil || !strings.HasPrefix(stdout.String(), "Atc|") {
		t.Errorf("restock token: %v", err)
	}
}

// A code pair needs no client secret, so nobody is asked for one.
func TestLoginByCodePairAsksNoSecret(t *testing.T) {
	code, _, asked := onTerminal(t, "canary", "login", "--device", "--data", filepath.Join(t.TempDir(), "restock.db"),
		"--client-id", "amzn1.application-oa2-client.1", "--lwa-url", "http://127.0.0.1:1")
	if code != exitFailed || strings.Contains(asked, "Client secret") || !strings.Contains(asked, "lwa: codepair") {
		t.Errorf("code %d, asked %q", code, asked)
	}
}

// What it says of the time is how long it waits, however long the code would be good.
func TestLoginByCodePairSaysUntilWhen(t *testing.T) {
	b := startSandbox(t, nil)
	advance(t, b, "24h")
	master, slave := newTerminal(t)
	c := exec.CommandContext(t.Context(), binary, "login", "--device", "--data", filepath.Join(t.TempDir(), "restock.db"), "--timeout", "100ms")
	c.Stdin, c.Stdout, c.Stderr, c.Env = slave, slave, slave, append(cleanEnvironment(), b.env()...)
	from := time.Now()
	if err := c.Run(); err == nil {
		t.Error("somebody has signed in")
	}
	to := time.Now()
	_ = slave.Close()
	text, _ := io.ReadAll(master) // ends in an error, once nobody has the other side open
	said := string(text)
	if !strings.Contains(said, "until "+from.Format("15:04")) && !strings.Contains(said, "until "+to.Format("15:04")) {
		t.Errorf("it does not wait until now, it says: %s", said)
	}
	if !strings.Contains(said, "A phone does not reach this address") || !strings.Contains(said, "nobody has signed in within 100ms") {
		t.Errorf("it says: %s", said)
	}
}

// What is drawn over must fit on a line: no more of it is taken away.
func TestProgressFitsTheTerminal(t *testing.T) {
	const width = 20
	master, slave := newTerminal(t)
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: width}); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), binary, "login", "--no-browser", "--timeout", "10ms", "--data", filepath.Join(t.TempDir(), "restock.db"),
		"--client-id", "amzn1.application-oa2-client.1", "--redirect-url", "http://127.0.0.1:0/callback")
	c.Stdout, c.Env = slave, append(cleanEnvironment(), "NO_COLOR=1", clientSecretVariable+"=")
	_ = c.Run() // nobody signs in
	_ = slave.Close()
	text, _ := io.ReadAll(master) // ends in an error, once nobody has the other end
	_, drawn, found := strings.Cut(string(text), "… ")
	drawn, _, wiped := strings.Cut(drawn, "\r\x1b[2K")
	if !found || !wiped || !strings.HasPrefix(drawn, "waiting") || len([]rune("… "+drawn)) >= width {
		t.Errorf("it draws %q on %d columns", drawn, width)
	}
}
