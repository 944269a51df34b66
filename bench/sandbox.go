package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

const (
	mockServer = "oauth2-mock-server"
	mockDir    = "interop/node"
	loadTime   = time.Second
)

// tokenServer is a process that answers token requests.
type tokenServer struct {
	cmd   *exec.Cmd
	stdin io.Closer
	token *url.URL
	form  url.Values
}

// sandboxTokens measures how many token answers `restock sandbox` gives in a second,
// and what CPU time each costs it, beside npm's oauth2-mock-server. That one is left out
// where `make interop` has not fetched it.
func sandboxTokens(ctx context.Context, b *built, rounds int) ([]row, error) {
	if _, err := os.Stat(mockDir + "/node_modules/" + mockServer); err != nil {
		fmt.Fprintln(os.Stderr, "bench: make interop has not fetched oauth2-mock-server: no line for the sandbox's tokens")
		return nil, nil
	}
	ours, err := startSandbox(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("restock sandbox: %w", err)
	}
	defer ours.stop()
	peer, err := startMock(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", mockServer, err)
	}
	defer peer.stop()
	rate := row{what: "`restock sandbox`: token answers", unit: "1000/s", peerName: mockServer}
	cost := row{what: "`restock sandbox`: CPU time of a token answer", unit: "ms", peerName: mockServer}
	for _, warm := range []*tokenServer{ours, peer} {
		if _, err := load(ctx, warm.token, warm.form, loadTime/4); err != nil {
			return nil, err
		}
	}
	for range rounds {
		if err := ours.measure(ctx, &rate.ours, &cost.ours); err != nil {
			return nil, err
		}
		if err := peer.measure(ctx, &rate.peer, &cost.peer); err != nil {
			return nil, err
		}
	}
	return []row{rate, cost}, nil
}

func (s *tokenServer) measure(ctx context.Context, rate, cost *sample) error {
	before, err := cpuTime(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	from := time.Now()
	n, err := load(ctx, s.token, s.form, loadTime)
	if err != nil {
		return err
	}
	took := time.Since(from)
	after, err := cpuTime(s.cmd.Process.Pid)
	if err != nil || n == 0 {
		return errors.Join(err, errors.New("no answers"))
	}
	*rate = append(*rate, float64(n)/took.Seconds()/1000)
	*cost = append(*cost, float64(after-before)/float64(time.Millisecond)/float64(n))
	return nil
}

// cpuTime is what a process has used, in user and in system mode.
func cpuTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	// The name, in brackets, may hold anything; utime and stime are 14 and 15 of all fields.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const utime, stime, tick = 14 - 3, 15 - 3, 10 * time.Millisecond
	if len(fields) <= stime {
		return 0, errors.New("/proc tells no CPU time")
	}
	user, err := strconv.ParseInt(fields[utime], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[stime], 10, 64)
	return time.Duration(user+system) * tick, err
}

func startSandbox(ctx context.Context, b *built) (*tokenServer, error) {
	s, line, err := startTokenServer(exec.CommandContext(ctx, b.restock, "sandbox", "--port", "0", "--json"))
	if err != nil {
		return nil, err
	}
	var says struct {
		TokenURL     string `json:"token_url"`
		ClientID     string `json:"client_id"`
		ClientSecret string `json:"client_secret"`
	}
	if err := json.Unmarshal([]byte(line), &says); err != nil {
		s.stop()
		return nil, err
	}
	return s, s.ask(says.TokenURL, says.ClientID, says.ClientSecret)
}

func startMock(ctx context.Context) (*tokenServer, error) {
	cmd := exec.CommandContext(ctx, "node", mockServer+".mjs")
	cmd.Dir = mockDir
	s, line, err := startTokenServer(cmd)
	if err != nil {
		return nil, err
	}
	return s, s.ask(strings.TrimSpace(line)+"/auth/o2/token", "bench", "bench")
}

// startTokenServer starts a server and returns the first line that it says.
func startTokenServer(cmd *exec.Cmd) (*tokenServer, string, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, "", err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, "", err
	}
	s := &tokenServer{cmd: cmd, stdin: stdin}
	r := bufio.NewReader(stdout)
	line, err := r.ReadString('\n')
	if err != nil {
		s.stop()
		return nil, "", err
	}
	go func() { _, _ = io.Copy(io.Discard, r) }() // so that it can go on writing
	return s, line, nil
}

// ask prepares the request: a client's token for itself.
func (s *tokenServer) ask(tokenURL, id, secret string) error {
	var err error
	s.token, err = url.Parse(tokenURL)
	s.form = url.Values{
		"grant_type": {"client_credentials"}, "scope": {"appstore::apps:readwrite"}, "client_id": {id}, "client_secret": {secret},
	}
	if err != nil {
		s.stop()
	}
	return err
}

func (s *tokenServer) stop() {
	_ = s.stdin.Close()
	_ = s.cmd.Process.Kill() // it has told what it was started for
	_ = s.cmd.Wait()
}
