package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// Server is a running `sam local start-api` or `sam local start-lambda`, whose functions
// stay warm between calls. Stop it before the host is closed.
type Server struct {
	URL string

	cmd   *exec.Cmd
	log   string // path
	ended chan struct{}
}

// StartAPI serves the stack's HTTP API on a port of loopback.
func (s *Stack) StartAPI(ctx context.Context, port int) (*Server, error) {
	return s.serve(ctx, "start-api", port)
}

// StartLambda serves the functions as the AWS SDK's Lambda client calls them, on a port
// of loopback.
func (s *Stack) StartLambda(ctx context.Context, port int) (*Server, error) {
	return s.serve(ctx, "start-lambda", port)
}

func (s *Stack) serve(ctx context.Context, what string, port int) (*Server, error) {
	text, err := json.Marshal(s.Environ)
	if err != nil {
		return nil, err
	}
	envFile, err := s.host.writeFile("env-*.json", text)
	if err != nil {
		return nil, err
	}
	log, err := os.CreateTemp(s.host.dir, what+"-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	args := []string{"local", what, "--port", strconv.Itoa(port), "--warm-containers", "LAZY"}
	cmd := exec.Command("sam", append(args, s.local(envFile)...)...) //nolint:noctx // it ends by Stop, which lets it clear up
	cmd.Env = append(ownEnviron(), s.credentials("test")...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	server := &Server{URL: "http://localhost:" + strconv.Itoa(port), cmd: cmd, log: log.Name(), ended: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // its log says what happened
		close(server.ended)
	}()
	if err := server.listens(ctx, net.JoinHostPort("127.0.0.1", strconv.Itoa(port))); err != nil {
		server.Stop()
		return nil, fmt.Errorf("sam local %s: %w: %s", what, err, server.Log())
	}
	return server, nil
}

// listens waits until connections are taken.
func (s *Server) listens(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			return c.Close()
		}
		select {
		case <-s.ended:
			return errors.New("it ended")
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// Log returns what SAM and the functions have logged.
func (s *Server) Log() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// LogFile is where that is.
func (s *Server) LogFile() string { return s.log }

// Done is closed once the server has ended.
func (s *Server) Done() <-chan struct{} { return s.ended }

// Stop ends the server, which takes its containers down.
func (s *Server) Stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended; a background job may not hear SIGINT
	select {
	case <-s.ended:
	case <-time.After(30 * time.Second):
		_ = s.cmd.Process.Kill() // then the host removes its containers
		<-s.ended
	}
}
