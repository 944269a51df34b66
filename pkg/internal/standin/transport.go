package standin

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
)

// Transport brings every request to Handler without a network: it works inside a
// testing/synctest bubble, and for any host name.
type Transport struct {
	Handler http.Handler
	Name    string // of the package whose errors they are
}

// RoundTrip implements [http.RoundTripper].
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	in := r.Clone(r.Context())
	in.RequestURI, in.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:0"
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer func() { _ = in.Body.Close() }() // a RoundTripper closes it, whatever comes of it
	w := &recorder{header: http.Header{}}
	broken := w.serve(t.Handler, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if broken && w.status == 0 {
		return nil, errors.New(t.Name + ": the connection was closed without an answer")
	}
	return w.response(r, broken), nil
}

// recorder keeps what a handler answers.
type recorder struct {
	header http.Header
	status int
	sent   http.Header // as they were when the status was written
	body   bytes.Buffer
}

func (w *recorder) Header() http.Header { return w.header }

func (w *recorder) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.sent = status, w.header.Clone()
	}
}

func (w *recorder) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(b)
}

// Flush implements [http.Flusher]; there is nothing to wait for.
func (w *recorder) Flush() {}

// serve calls the handler and reports whether it aborted.
func (w *recorder) serve(h http.Handler, r *http.Request) (broken bool) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler { //nolint:errorlint // the value itself is the signal
			broken = true
		} else if p != nil {
			panic(p)
		}
	}()
	h.ServeHTTP(w, r)
	w.WriteHeader(http.StatusOK)
	return false
}

func (w *recorder) response(r *http.Request, broken bool) *http.Response {
	var body io.Reader = &w.body
	switch {
	case r.Method == http.MethodHead:
		body = http.NoBody
	case broken:
		body = io.MultiReader(body, cutOff{})
	}
	length, err := strconv.ParseInt(w.sent.Get("Content-Length"), 10, 64)
	if err != nil {
		length = -1
	}
	return &http.Response{
		Status: strconv.Itoa(w.status) + " " + http.StatusText(w.status), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: w.sent, Body: io.NopCloser(body), ContentLength: length, Request: r,
	}
}

// cutOff is the rest of an answer that broke off.
type cutOff struct{}

func (cutOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
