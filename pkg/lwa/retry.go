package lwa

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"time"
)

// How long to wait at least where Amazon doesn't say.
const (
	retryWait    = time.Second
	throttleWait = 5 * time.Second
)

// Retry reports whether the call that returned err may be made again as it is, and how long
// to wait first; wait longer after each further failure. It is false for nil.
//
// An Exchange is never worth repeating once it was sent, whatever came back: its code may
// be used up, and the customer has to sign in again.
func Retry(err error) (after time.Duration, ok bool) {
	var held *HeldBackError
	var answer *Error
	var silence *TransportError
	var hook *HookError
	switch {
	case errors.As(err, &held):
		_, ok = Retry(held.Err)
		return held.RetryAfter, ok
	case errors.As(err, &answer):
		return answer.retry()
	case errors.As(err, &silence):
		return silence.retry()
	case errors.As(err, &hook):
		return retryWait, true
	}
	return 0, false
}

func (e *Error) retry() (time.Duration, bool) {
	switch {
	case e.Op == opExchange || e.Op == opAuthorize || !e.Temporary():
		return 0, false
	case e.RetryAfter > 0:
		return e.RetryAfter, true
	case e.StatusCode == http.StatusTooManyRequests:
		return throttleWait, true
	}
	return retryWait, true
}

func (e *TransportError) retry() (time.Duration, bool) {
	if errors.Is(e.Err, context.Canceled) || isCertificate(e.Err) || e.Op == opExchange && !neverSent(e.Err) {
		return 0, false
	}
	return retryWait, true
}

// neverSent reports whether the connection was never there, so that nothing can have
// arrived.
func neverSent(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return errors.As(err, &dns) || errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect") || isCertificate(err)
}

// isCertificate reports whether the server's certificate was refused.
func isCertificate(err error) bool {
	var refused *tls.CertificateVerificationError
	return errors.As(err, &refused)
}

// HeldBackError is what a [TokenSource] answers without asking, for some time after
// a failure.
type HeldBackError struct {
	// Err is the failure.
	Err error
	// RetryAfter is for how long, from the answer on; at least a second.
	RetryAfter time.Duration
}

// Error implements error.
func (e *HeldBackError) Error() string {
	return "lwa: not asked again for " + e.RetryAfter.Round(time.Second).String() + " since: " + e.Err.Error()
}

// Unwrap returns the failure.
func (e *HeldBackError) Unwrap() error { return e.Err }
