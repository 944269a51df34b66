package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// startUp measures `restock up` from exec to its first answer, and its memory then,
// beside the smallest HTTP server.
func startUp(ctx context.Context, b *built, rounds int) ([]row, error) {
	start := row{what: "`restock up`: start to first answer", unit: "ms", peerName: "bare net/http server"}
	memory := row{what: "`restock up`: resident memory after it", unit: "MB", peerName: "bare net/http server"}
	for i := range rounds {
		addr, err := freeAddr()
		if err != nil {
			return nil, err
		}
		data := filepath.Join(b.dir, fmt.Sprintf("start-%d.db", i))
		up := exec.CommandContext(ctx, b.restock, "up", "--data", data, "--http", addr, "--mqtt", "127.0.0.1:0", "--sandbox", "127.0.0.1:0")
		if err := firstAnswer(ctx, up, addr, &start.ours, &memory.ours); err != nil {
			return nil, fmt.Errorf("restock up: %w", err)
		}
		if addr, err = freeAddr(); err != nil {
			return nil, err
		}
		if err := firstAnswer(ctx, exec.CommandContext(ctx, b.server, addr), addr, &start.peer, &memory.peer); err != nil {
			return nil, fmt.Errorf("peer: %w", err)
		}
	}
	return []row{start, memory}, nil
}

func firstAnswer(ctx context.Context, cmd *exec.Cmd, addr string, start, memory *sample) error {
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	from := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Kill() // it has told what it was started for
		_ = cmd.Wait()
	}()
	if err := answer(ctx, cmd.Process.Pid, from, addr, start, memory); err != nil {
		return fmt.Errorf("%w: %s", err, stderr.String())
	}
	return nil
}

// answer waits for the first answer at addr, and adds how long that took since from and
// what memory the process held then.
func answer(ctx context.Context, pid int, from time.Time, addr string, start, memory *sample) error {
	for time.Since(from) < 20*time.Second {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/", nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil { // not listening yet
			time.Sleep(500 * time.Microsecond)
			continue
		}
		start.add(time.Since(from))
		if err := res.Body.Close(); err != nil {
			return err
		}
		mb, err := residentMB(pid)
		*memory = append(*memory, mb)
		return err
	}
	return errors.New("no answer within 20 s")
}

var vmRSS = regexp.MustCompile(`VmRSS:\s+(\d+) kB`)

func residentMB(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	m := vmRSS.FindSubmatch(status)
	if m == nil {
		return 0, fmt.Errorf("process %d has no VmRSS", pid)
	}
	kb, err := strconv.ParseFloat(string(m[1]), 64)
	return kb / 1024, err
}

func freeAddr() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}
