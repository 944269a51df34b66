package lwa

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"
)

// The operations that errors name.
const (
	opExchange    = "exchange"
	opRefresh     = "refresh"
	opCredentials = "client_credentials"
	opCodePair    = "codepair"
	opPoll        = "poll"
	opTokenInfo   = "tokeninfo"
	opProfile     = "profile"
	opAuthorize   = "authorize"
	opAPI         = "api"
)

// maxBody is how much of an answer is read, in bytes. Token answers have a few KiB.
const maxBody = 1 << 20

var defaultHTTPClient = &http.Client{Timeout: 10 * time.Second}

// TransportError says that no answer arrived: what the request did at Amazon, if it
// got there, is unknown. It unwraps to the cause, [context.Canceled] for instance.
// Neither holds anything secret that was sent.
type TransportError struct {
	Op  string // as in [Error]
	Err error
}

// Error implements error. What net/http repeats of an answer that is no HTTP is cut short, and
// without control characters.
func (e *TransportError) Error() string {
	return "lwa: " + e.Op + ": no answer: " + tidy(e.Err.Error(), maxDescription, nil)
}

// Unwrap returns the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// Timeout reports whether the answer took too long.
func (e *TransportError) Timeout() bool { return isTimeout(e.Err) }

func usage(op string, err error) error { return fmt.Errorf("lwa: %s: %w", op, err) }

func (c *Client) newRequest(ctx context.Context, op, method, path string, body io.Reader) (*http.Request, error) {
	base := c.Endpoint.apiURL()
	if !isBase(base) {
		return nil, usage(op, errors.New("the Endpoint.APIURL is no base of an API, such as https://api.amazon.com"))
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err != nil {
		return nil, usage(op, err)
	}
	req.Header.Set("Accept", "application/json")
	if op != opExchange {
		// So that net/http sends it again where a kept connection was closed meanwhile, as for
		// a GET. Without a value the header itself is not sent.
		req.Header["Idempotency-Key"] = nil
	}
	return req, nil
}

func isBase(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != "" && u.RawQuery == "" && u.Fragment == ""
}

// do sends req once and reads the answer. sent are the secrets in it.
func (c *Client) do(op string, req *http.Request, sent []string) (*answer, error) {
	resp, err := c.httpClient().Do(req)
	if err != nil {
		return nil, noAnswer(req.Context(), op, err, sent)
	}
	defer func() { _ = resp.Body.Close() }() // what matters of it has been read
	a := &answer{op: op, status: resp.StatusCode, header: resp.Header, sent: sent, now: c.now()}
	a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	switch {
	case err != nil && (req.Context().Err() != nil || isTimeout(err)):
		return nil, noAnswer(req.Context(), op, err, sent)
	case err != nil:
		a.broken = "the answer broke off"
	case len(a.body) > maxBody:
		a.broken = "the answer is over 1 MiB"
	}
	return a, nil
}

// httpClient returns the caller's client, but one that follows no redirect: that
// would send the secrets on to whatever host the answer names.
func (c *Client) httpClient() *http.Client {
	hc := *defaultHTTPClient
	if c.HTTPClient != nil {
		hc = *c.HTTPClient
	}
	hc.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &hc
}

// noAnswer makes a TransportError of what net/http returned. The cause is kept
// unless its text holds a secret, as that of a foreign RoundTripper might. Where the caller
// gave up with a cause of its own, net/http sometimes returns that alone.
func noAnswer(ctx context.Context, op string, err error, sent []string) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if over := ctx.Err(); over != nil && !errors.Is(err, over) {
		err = fmt.Errorf("%w: %w", over, err)
	}
	if text := err.Error(); redact(text, sent) != text {
		clean := errors.New(tidy(text, maxDescription, sent))
		for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
			if errors.Is(err, known) {
				clean = known
			}
		}
		err = clean
	}
	return &TransportError{Op: op, Err: err}
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}
