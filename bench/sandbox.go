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
// and what CPU time each costs it: beside npm's oauth2-mock-server, which is left out
// where `make interop` has not fetched it, and beside what net/http alone can do.
func sandboxTokens(ctx context.Context, b *built, rounds int) ([]row, error) {
	ours, err := startSandbox(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("restock sandbox: %w", err)
	}
	defer ours.stop()
	bare, err := startBare(ctx, b, ours.form)
	if err != nil {
		return nil, fmt.Errorf("bare net/http server: %w", err)
	}
	defer bare.stop()
	peers := []namedServer{{"bare net/http server", bare}}
	if _, err := os.Stat(mockDir + "/node_modules/" + mockServer); err == nil {
		mock, err := startMock(ctx)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", mockServer, err)
		}
		defer mock.stop()
		peers = append(peers, namedServer{mockServer, mock})
	} else {
		fmt.Fprintln(os.Stderr, "bench: make interop has not fetched oauth2-mock-server: no line beside it")
	}
	return beside(ctx, ours, peers, rounds)
}

// beside measures a server and its peers in turn.
func beside(ctx context.Context, ours *tokenServer, peers []namedServer, rounds int) ([]row, error) {
	servers := append([]namedServer{{"", ours}}, peers...)
	rates, costs := make([]sample, len(servers)), make([]sample, len(servers))
	for _, s := range servers {
		if _, err := load(ctx, s.token, s.form, loadTime); err != nil { // to warm it up
			return nil, err
		}
	}
	for range rounds {
		for i, s := range servers {
			if err := s.measure(ctx, &rates[i], &costs[i]); err != nil {
				return nil, err
			}
		}
	}
	var rows []row
	for i, p := range peers {
		rows = append(rows,
			row{what: "`restock sandbox`: token answers", unit: "1000/s", ours: rates[0], peer: rates[i+1], peerName: p.name},
			row{what: "`restock sandbox`: CPU time of a token answer", unit: "ms", ours: costs[0], peer: costs[i+1], peerName: p.name})
	}
	return rows, nil
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

type namedServer struct {
	name string
	*tokenServer
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

// startBare starts the smallest server there is; it is asked for what the sandbox is.
func startBare(ctx context.Context, b *built, form url.Values) (*tokenServer, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s := &tokenServer{cmd: exec.CommandContext(ctx, b.server, addr), form: form, token: &url.URL{Scheme: "http", Host: addr, Path: "/auth/o2/token"}}
	s.cmd.Stderr = os.Stderr
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	var ready, memory sample
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := answer(ctx, s.cmd.Process.Pid, time.Now(), addr, &ready, &memory); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
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
