package drstest

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// Transport returns a transport that brings every request to this server without a
// network: it works inside a testing/synctest bubble, and for any host name.
func (s *Server) Transport() http.RoundTripper { return transport{s} }

type transport struct{ handler http.Handler }

var errDropped = errors.New("drstest: the connection was closed without an answer")

// RoundTrip implements [http.RoundTripper].
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer func() { _ = in.Body.Close() }() // a RoundTripper closes it, whatever comes of it
	w := &recorder{header: http.Header{}}
	broken := w.serve(t.handler, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if w.status == 0 {
		return nil, errDropped
	}
	var body io.Reader = &w.body
	if broken {
		body = io.MultiReader(body, cutOff{})
	}
	return &http.Response{
		StatusCode: w.status, Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.header, Body: io.NopCloser(body), ContentLength: -1, Request: r,
	}, nil
}

// recorder keeps what the server answers.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header         { return w.header }
func (w *recorder) WriteHeader(status int)      { w.status = status }
func (w *recorder) Write(b []byte) (int, error) { return w.body.Write(b) }
func (w *recorder) Flush()                      {} // there is nothing to wait for

// serve calls the handler and reports whether it aborted.
func (w *recorder) serve(h http.Handler, r *http.Request) (broken bool) {
	defer func() {
		p := recover()
		if err, ok := p.(error); ok && errors.Is(err, http.ErrAbortHandler) {
			broken = true
		} else if p != nil {
			panic(p)
		}
	}()
	h.ServeHTTP(w, r)
	return false
}

// cutOff is the rest of an answer that broke off.
type cutOff struct{}

func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
