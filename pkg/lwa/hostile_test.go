package lwa_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/restock-dev/restock/pkg/lwa"
)

// hostile starts a real server, of HTTP/1.1 or 2, and returns a client of it.
func hostile(t *testing.T, h2 bool, h http.HandlerFunc) *lwa.Client {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.EnableHTTP2 = h2
	srv.StartTLS()
	t.Cleanup(srv.Close)
	c := clientOn(nil)
	c.HTTPClient = srv.Client()
	c.Endpoint = lwa.Endpoint{APIURL: srv.URL}
	return c
}

func protocols(t *testing.T, f func(t *testing.T, h2 bool)) {
	t.Run("HTTP 1.1", func(t *testing.T) { f(t, false) })
	t.Run("HTTP 2", func(t *testing.T) { f(t, true) })
}

// A redirect takes neither secret nor token to another host, whatever the caller's client
// thinks of redirects.
func TestNoRedirectIsFollowed(t *testing.T) {
	var elsewhere atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		c := hostile(t, false, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other.URL, status) })
		c.HTTPClient.CheckRedirect = func(*http.Request, []*http.Request) error { return nil }
		for name, call := range calls {
			if e := wantError(t, call(t, c)); e.StatusCode != status || !errors.Is(e, lwa.ErrUnusable) {
				t.Errorf("%s: %+v, want the redirect as an unusable answer", name, e)
			}
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests went to another host", n)
	}
}

// A lot of zeros in a little gzip is given up after the first MiB.
func TestGzipBomb(t *testing.T) {
	var bomb bytes.Buffer
	z, _ := gzip.NewWriterLevel(&bomb, gzip.BestSpeed)
	zeros := make([]byte, 1<<20)
	for range 32 {
		_, _ = z.Write(zeros)
	}
	_ = z.Close()
	protocols(t, func(t *testing.T, h2 bool) {
		c := hostile(t, h2, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(bomb.Bytes())
		})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := c.Refresh(t.Context(), lwa.NewSecret(canaryRefresh))
		runtime.ReadMemStats(&after)
		if e := wantError(t, err); !e.NotJSON {
			t.Errorf("error = %+v, want NotJSON", e)
		}
		if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 16 {
			t.Errorf("%d MiB were allocated for 32 MiB of zeros", used)
		}
	})
}

// A server that takes the request and goes away is not asked a second time, also on
// a connection that served before: the code may be used up.
func TestNothingIsSentTwice(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		var exchanges atomic.Int64
		c := hostile(t, h2, func(w http.ResponseWriter, r *http.Request) {
			if r.PostFormValue("grant_type") != "authorization_code" {
				_, _ = io.WriteString(w, goodToken)
				return
			}
			exchanges.Add(1)
			panic(http.ErrAbortHandler) // a reset, of the connection or of the stream
		})
		if _, err := c.Refresh(t.Context(), lwa.NewSecret(canaryRefresh)); err != nil {
			t.Fatal(err)
		}
		_, err := c.Exchange(t.Context(), canaryCode, lwa.NewSecret(canaryVerifier))
		if !errors.As(err, new(*lwa.TransportError)) {
			t.Errorf("error = %v, want a TransportError", err)
		}
		if _, again := lwa.Retry(err); again || exchanges.Load() != 1 {
			t.Errorf("sent %d times, worth another: %t, want once and no", exchanges.Load(), again)
		}
		refuseCanaries(t, "error", err.Error())
	})
}

// A server that says that it goes away (GOAWAY in HTTP/2) with each answer is no trouble.
func TestServerThatClosesAfterEachAnswer(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		c := hostile(t, h2, func(w http.ResponseWriter, r *http.Request) {
			if _, sent := r.Header["Idempotency-Key"]; sent {
				t.Error("Amazon gets a header that it doesn't know")
			}
			w.Header().Set("Connection", "close")
			_, _ = io.WriteString(w, goodToken)
		})
		for range 5 {
			if _, err := c.Refresh(t.Context(), lwa.NewSecret(canaryRefresh)); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// An answer that is cut short is no token, though what came of it was valid JSON.
func TestCutShort(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		c := hostile(t, h2, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, goodToken)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		})
		token, err := c.Refresh(t.Context(), lwa.NewSecret(canaryRefresh))
		if e := wantError(t, err); token != nil || !e.NotJSON || !e.Temporary() {
			t.Errorf("%v, %+v, want NotJSON, which is temporary", token, e)
		}
	})
}

// A body that trickles ends with the caller's context, and no goroutine of ours is left.
func TestTrickle(t *testing.T) {
	protocols(t, func(t *testing.T, h2 bool) {
		ctx, cancel := context.WithCancelCause(t.Context())
		why, ended := errors.New("had enough"), make(chan struct{})
		c := hostile(t, h2, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"access_token":"Atza|`)
			_ = http.NewResponseController(w).Flush()
			cancel(why)
			<-ended
		})
		defer close(ended)
		_, err := c.Refresh(ctx, lwa.NewSecret(canaryRefresh))
		if !errors.As(err, new(*lwa.TransportError)) || !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v, want a TransportError of the cancellation", err)
		}
		if got := lwa.Explain(err); !strings.Contains(got, "gave up") {
			t.Errorf("Explain() = %q, want who gave up", got)
		}
		if _, again := lwa.Retry(err); again {
			t.Error("Retry() says to go on with what the caller gave up")
		}
	})
}

// What answers on a TCP port may not be HTTP at all.
func TestNoHTTP(t *testing.T) {
	for name, says := range map[string]string{
		"nothing": "", "a long line": strings.Repeat("\x1b[31mx", 8<<10) + "\r\n\r\n", "SMTP": "220 mail.example.com ESMTP\r\n", "a broken status": "HTTP/1.1 abc\r\n\r\n",
		"endless headers": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 256<<10), "bad length": "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n{}",
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			go func() {
				conn, err := ln.Accept()
				if err != nil {
					return
				}
				defer func() { _ = conn.Close() }()
				_, _ = conn.Read(make([]byte, 1<<10))
				_, _ = io.WriteString(conn, says)
			}()
			c := clientOn(nil)
			c.HTTPClient = &http.Client{Transport: &http.Transport{MaxResponseHeaderBytes: 64 << 10}}
			c.Endpoint = lwa.Endpoint{APIURL: "http://" + ln.Addr().String()}
			_, err = c.Refresh(t.Context(), lwa.NewSecret(canaryRefresh))
			if !errors.As(err, new(*lwa.TransportError)) {
				t.Errorf("error = %v, want a TransportError", err)
			}
			if text := err.Error(); len(text) > 600 || strings.Contains(text, "\x1b") {
				t.Errorf("an error of %d bytes, not fit for a log: %.100q", len(text), text)
			}
			refuseCanaries(t, "error", err.Error())
		})
	}
}

// A function that slept finds its connection closed by the other side, as a balancer does after
// minutes, and learns so by sending: what is safe to send again is sent on a new one, an
// Exchange is not.
func TestConnectionThatWasClosedMeanwhile(t *testing.T) {
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			var requests, answered atomic.Int64
			c := hostile(t, false, func(w http.ResponseWriter, _ *http.Request) {
				if requests.Add(1) == 2 { // the first on a connection that served before
					panic(http.ErrAbortHandler)
				}
				answered.Add(1)
				_, _ = io.WriteString(w, `{"error":"authorization_pending"}`)
			})
			_ = wantError(t, call(t, c))
			err := call(t, c)
			if name == "exchange" {
				if !errors.As(err, new(*lwa.TransportError)) || requests.Load() != 2 {
					t.Errorf("error = %v after %d requests, want no second one for a code", err, requests.Load())
				}
				return
			}
			_ = wantError(t, err)
			if requests.Load() != 3 || answered.Load() != 2 {
				t.Errorf("%d requests and %d answers, want 3 and 2", requests.Load(), answered.Load())
			}
		})
	}
}
