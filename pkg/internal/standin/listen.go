package standin

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"
)

// Listening is the part of a server that listens. The zero Listening doesn't yet.
type Listening struct{ http *http.Server }

// Start listens at an address such as 127.0.0.1:0, a free port, and returns its URL. It is
// called at most once.
func (l *Listening) Start(h http.Handler, address string) (url string, err error) {
	if l.http != nil {
		return "", errors.New("the server listens already")
	}
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", address)
	if err != nil {
		return "", err
	}
	l.http = &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = l.http.Serve(listener) }() // ends with Close and says so
	return "http://" + listener.Addr().String(), nil
}

// Close stops listening and drops every connection, those that hang included.
func (l *Listening) Close() {
	if l.http != nil {
		_ = l.http.Close() // nothing is left to do about an error
	}
}
