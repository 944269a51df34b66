package drs

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// TransportError says that no answer arrived: what the call did at DRS, if it got
// there, is unknown. It unwraps to the cause, [context.Canceled] for instance.
type TransportError struct {
	Op  string // as in [Error]
	Err error
}

// Error implements error. What net/http repeats of an answer that is no HTTP is cut short, and
// without control characters.
func (e *TransportError) Error() string {
	return "drs: " + e.Op + ": no answer: " + tidy(e.Err.Error(), maxText, "")
}

// Unwrap returns the cause.
func (e *TransportError) Unwrap() error { return e.Err }

// noAnswer makes a TransportError of what net/http returned. The cause is kept unless
// its text holds the token, as that of a foreign RoundTripper might. Where the caller gave up
// with a cause of its own, net/http sometimes returns that alone.
func noAnswer(ctx context.Context, op string, err error, accessToken string) error {
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	if over := ctx.Err(); over != nil && !errors.Is(err, over) {
		err = fmt.Errorf("%w: %w", over, err)
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
