package lwatest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// TB is what of a [testing.TB] NewServer needs.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// NewServer starts a server on loopback that ends with the test. Options can be left out;
// two of them fail the test.
func NewServer(tb TB, o ...Options) *Server {
	tb.Helper()
	if len(o) > 1 {
		tb.Fatalf("lwatest.NewServer takes Options once, not %d times", len(o))
	}
	s, err := New(append(o, Options{})[0])
	if err != nil {
		tb.Fatalf("making the LWA sandbox: %v", err)
	}
	if err := s.Start("127.0.0.1:0"); err != nil {
		tb.Fatalf("starting the LWA sandbox: %v", err)
	}
	tb.Cleanup(s.Close)
	return s
}

// listening is the part of a Server that listens.
type listening struct{ http *http.Server }

// Start listens at an address such as 127.0.0.1:0, a free port, and sets s.URL. It is
// called at most once.
func (s *Server) Start(address string) error {
	if s.listening.http != nil {
		return errors.New("lwatest: the server listens already")
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return fmt.Errorf("lwatest: %w", err)
	}
	s.URL = "http://" + l.Addr().String()
	s.listening.http = &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.listening.http.Serve(l) }() // ends with Close and says so
	return nil
}

// Close stops listening and drops every connection, those that hang included.
func (s *Server) Close() {
	if s.listening.http != nil {
		_ = s.listening.http.Close() // nothing is left to do about an error
	}
}
