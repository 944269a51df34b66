package drstest

import (
	"fmt"
	"net/http"

	"github.com/restock-dev/restock/pkg/internal/standin"
)

// TB is what of a [testing.TB] NewServer needs.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// NewServer starts a server on loopback that ends with the test.
func NewServer(tb TB, o Options) *Server {
	tb.Helper()
	s, err := New(o)
	if err != nil {
		tb.Fatalf("making the DRS sandbox: %v", err)
	}
	if err := s.Start("127.0.0.1:0"); err != nil {
		tb.Fatalf("starting the DRS sandbox: %v", err)
	}
	tb.Cleanup(s.Close)
	return s
}

// Start listens at an address such as 127.0.0.1:0, a free port, and sets s.URL. It is
// called at most once.
func (s *Server) Start(address string) error {
	url, err := s.listening.Start(s, address)
	if err != nil {
		return fmt.Errorf("drstest: %w", err)
	}
	s.URL = url
	return nil
}

// Close stops listening and drops every connection, those that hang included.
func (s *Server) Close() { s.listening.Close() }

// Transport returns a transport that brings every request to this server without a
// network: it works inside a testing/synctest bubble, and for any host name.
func (s *Server) Transport() http.RoundTripper { return standin.Transport{Handler: s, Name: "drstest"} }
