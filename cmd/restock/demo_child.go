package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// child is a restock up of our own.
type child struct {
	announcement
	took time.Duration // from the start of the process until it said that it is ready
	cmd  *exec.Cmd
	log  tail
}

// startTimeout is long: the machine may be busy.
const startTimeout = 20 * time.Second

// startChild starts this program again as restock up and returns when it is ready.
func startChild(ctx context.Context, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("finding this program: %w", err)
	}
	c := &child{cmd: exec.Command(self, append([]string{"up", "--json"}, args...)...)} //nolint:gosec,noctx // this very program; it is killed and waited for by hand
	c.cmd.Env = cleanEnvironment()
	c.cmd.Stderr = &c.log
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting restock up: %w", err)
	}
	ready := make(chan error, 1)
	go func() {
		lines := bufio.NewReader(out)
		line, err := lines.ReadBytes('\n')
		if err == nil {
			err = json.Unmarshal(line, &c.announcement)
		}
		ready <- err
		_, _ = io.Copy(io.Discard, lines) // so that it never waits for us
	}()
	select {
	case err = <-ready:
	case <-time.After(startTimeout):
		err = errors.New("it took too long")
	case <-ctx.Done():
		err = ctx.Err()
	}
	c.took = time.Since(begun)
	if err != nil {
		c.kill()
		return nil, fmt.Errorf("starting restock up: %w: %s", err, strings.TrimSpace(c.log.String()))
	}
	return c, nil
}

// cleanEnvironment is ours without the settings of another Restock.
func cleanEnvironment() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "RESTOCK_") {
			env = append(env, v)
		}
	}
	return env
}

// kill is kill -9; it returns when the process has ended.
func (c *child) kill() {
	_ = c.cmd.Process.Kill() // it may have ended already
	_ = c.cmd.Wait()         // killed is no news
}

// tail keeps the end of what is written.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailBytes = 16 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = bytes.Clone(t.text[over:])
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
