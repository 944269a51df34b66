package callback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/pkg/lwa"
)

var (
	// errUnknown: no answer to the exchange that says anything, so the code may be used up.
	errUnknown = errors.New("answer to the exchange is not known")
	// errUnreachable: LWA was not reached, so the code was not used.
	errUnreachable = errors.New("LWA was not reached")
	// errNoTime: the time for the exchange is over, and the code was not used.
	errNoTime = fmt.Errorf("%w: no time is left", errUnreachable)
)

// refusedError is LWA's refusal of an exchange.
type refusedError struct {
	code       string // LWA's error, such as invalid_grant
	answer     *lwa.Error
	withSecret bool // our secret was sent
}

func (e *refusedError) Error() string { return e.answer.Error() }

func (e *refusedError) Unwrap() error { return e.answer }

// exchange sends the code to LWA, once. Only where LWA didn't know our secret, and so
// can't have looked at the code, is it sent again with the other versions of the secret.
//
// Errors: [errUnknown], [errUnreachable], a [*refusedError], or one of the setup.
func (h *Handler) exchange(ctx context.Context, s *signIn) (*lwa.Token, error) {
	if ctx.Err() != nil {
		return nil, errNoTime
	}
	token, err := h.exchangeOnce(ctx, s, s.clientSecret)
	if err == nil || s.clientSecret.IsZero() || !isInvalidClient(err) {
		return token, err
	}
	versions, rerr := h.Credentials.Reload(ctx)
	if rerr != nil {
		slog.ErrorContext(ctx, "reading LWA credentials again", "error", rerr)
		return nil, err
	}
	tried := map[string]bool{s.clientSecret.Reveal(): true}
	for _, v := range versions {
		if v.ClientID != s.clientID || tried[v.ClientSecret.Reveal()] {
			continue
		}
		if ctx.Err() != nil {
			return nil, errNoTime
		}
		tried[v.ClientSecret.Reveal()] = true
		if token, err = h.exchangeOnce(ctx, s, v.ClientSecret); !isInvalidClient(err) {
			return token, err
		}
	}
	return nil, err
}

func isInvalidClient(err error) bool {
	var refused *refusedError
	return errors.As(err, &refused) && refused.answer.Code == lwa.InvalidClient
}

// isInvalidSecret reports whether LWA refused our own client with a secret. Who sends the ID of a client
// without one may send anything.
func isInvalidSecret(err error) bool {
	var refused *refusedError
	return isInvalidClient(err) && errors.As(err, &refused) && refused.withSecret
}

func isForeign(err error) bool {
	_, foreign := errors.AsType[*lwa.AudienceError](err)
	return foreign
}

func (h *Handler) exchangeOnce(ctx context.Context, s *signIn, secret lwa.Secret) (*lwa.Token, error) {
	ctx, cancel := context.WithTimeout(ctx, exchangeTime)
	defer cancel()
	token, err := h.client(s.clientID, secret, s.redirectURL).Exchange(ctx, s.code, s.verifier)
	var answer *lwa.Error
	var silence *lwa.TransportError
	_, unsent := lwa.Retry(err) // an exchange may be repeated only then
	switch {
	case err == nil:
		return token, nil
	case errors.As(err, &answer):
		return nil, refusal(answer, !secret.IsZero())
	case unsent:
		return nil, fmt.Errorf("%w: %w", errUnreachable, err)
	case errors.As(err, &silence):
		return nil, fmt.Errorf("%w: %w", errUnknown, err)
	}
	return nil, fmt.Errorf("exchanging code for %s: %w", s.device.Name(), err) // it was not sent
}

var word = regexp.MustCompile(`^[A-Za-z_]+$`)

// isErrorCode reports whether s is an error code of OAuth, a short word; Amazon writes some in one.
func isErrorCode(s string) bool { return len(s) <= 40 && word.MatchString(s) }

// refusal tells an answer that refuses the code from one that says nothing of it.
func refusal(e *lwa.Error, withSecret bool) error {
	final := e.StatusCode >= http.StatusBadRequest && !e.Temporary()
	switch {
	case final && isErrorCode(string(e.Code)):
		return &refusedError{string(e.Code), e, withSecret}
	case final && isErrorCode(e.RawCode):
		return &refusedError{e.RawCode, e, withSecret}
	}
	return fmt.Errorf("%w: %w", errUnknown, e)
}

// tokenInfoTries is how often LWA is asked whose token it is, with a growing gap.
const (
	tokenInfoTries = 3
	tokenInfoGap   = 200 * time.Millisecond
)

// customer returns whose token it is, "" where LWA does not say. A token of another
// client is an error, an [*lwa.AudienceError]: somebody passed it off on us.
func (h *Handler) customer(ctx context.Context, s *signIn, token lwa.Secret) (string, error) {
	client := h.client(s.clientID, lwa.Secret{}, s.redirectURL)
	for try := range tokenInfoTries {
		if try > 0 && backoff.Sleep(ctx, tokenInfoGap<<try) != nil {
			break
		}
		id, err := whose(ctx, client, token)
		if err == nil || isForeign(err) {
			return id, err
		}
		slog.WarnContext(ctx, "asking whose token it is", "thing", s.device.Name(), "try", try+1, "error", err)
	}
	return "", nil
}

const maxCustomerID = 256

func whose(ctx context.Context, c *lwa.Client, token lwa.Secret) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, tokenInfoTime)
	defer cancel()
	info, err := c.VerifyToken(ctx, token)
	switch {
	case err != nil:
		return "", err
	case info.UserID == "" || len(info.UserID) > maxCustomerID || !plain(info.UserID):
		return "", errors.New("tokeninfo names no customer")
	}
	return info.UserID, nil
}
