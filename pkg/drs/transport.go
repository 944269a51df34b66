package drs

import (
	"context"
	"errors"
	"net/url"
	"strings"
)

// TransportError says that no answer arrived: what the call did at DRS, if it got
// there, is unknown. It unwraps to the cause, [context.Canceled] for instance.
type TransportError struct {
	Op  string // as in [Error]
	Err error
}

// Error implements error.
func (e *TransportError) Error() string { return "drs: " + e.Op + ": no answer: " + e.Err.Error() }

// Unwrap returns the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// noAnswer makes a TransportError of what net/http returned. The cause is kept unless
// its text holds the token, as that of a foreign RoundTripper might.
func noAnswer(op string, err error, accessToken string) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if strings.Contains(err.Error(), accessToken) {
		clean := errors.New(tidy(err.Error(), maxText, accessToken))
		for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
			if errors.Is(err, known) {
				clean = known
			}
		}
		err = clean
	}
	return &TransportError{Op: op, Err: err}
}
