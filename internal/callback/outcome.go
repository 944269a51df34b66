package callback

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/pkg/lwa"
)

// outcome is how a sign-in ended. It is stored with the login.
type outcome string

const (
	paired      outcome = "paired"
	taken       outcome = "taken"
	unconfirmed outcome = "unconfirmed" // taken, perhaps by the same customer
	refused     outcome = "refused"     // by LWA
	unknown     outcome = "unknown"     // the code may be used up
	unreachable outcome = "unreachable" // the code was not used
	notStored   outcome = "not_stored"  // the code is used up
	fault       outcome = "fault"       // of ours, before the code was sent
)

// outcomeOf returns the outcome of register.
func outcomeOf(err error) outcome {
	var refusal *refusedError
	switch {
	case err == nil:
		return paired
	case errors.Is(err, errTaken):
		return taken
	case errors.Is(err, errUnconfirmed):
		return unconfirmed
	case errors.As(err, &refusal):
		return refused
	case errors.Is(err, errUnknown), isForeign(err):
		return unknown
	case errors.Is(err, errUnreachable):
		return unreachable
	case errors.Is(err, errNotStored):
		return notStored
	}
	return fault
}

// conclude counts how a sign-in came out, logs one that failed, and returns its outcome.
func (h *Handler) conclude(ctx context.Context, name string, err error) outcome {
	o := outcomeOf(err)
	if h.Metrics != nil {
		h.Metrics.Count("SignIn", 1, "outcome", string(o))
		if isInvalidSecret(err) {
			h.Metrics.Count("SecretsTrouble", 1, "cause", "credentials")
		}
	}
	if err != nil {
		logFailure(ctx, name, o, err)
	}
	return o
}

// logFailure logs a sign-in that failed: quietly where a customer's choice or an old
// code is the reason, and as an error where our own setup is.
func logFailure(ctx context.Context, name string, o outcome, err error) {
	level := slog.LevelError
	switch {
	case isInvalidSecret(err): // no version of it is right: no device can be paired
	case isInvalidClient(err): // an app's client ID is not known to LWA
		level = slog.LevelWarn
	case o == taken, o == refused:
		level = slog.LevelInfo
	case o == unconfirmed, o == unknown, o == unreachable:
		level = slog.LevelWarn
	}
	slog.Log(ctx, level, "sign-in did not pair the device", "thing", name, "outcome", o, "error", err, "advice", lwa.Explain(err))
}

// unreachableWait is how long an app should wait before it sends its code again. The
// code is good for five minutes.
const unreachableWait = 5 * time.Second

// problemOf returns the answer to a POST whose sign-in failed.
func problemOf(err error) error {
	var refusal *refusedError
	errors.As(err, &refusal)
	switch outcomeOf(err) {
	case paired:
		return nil
	case taken:
		return web.New(web.CodeTaken, "the device belongs to another customer; nothing was changed. "+
			"Its owner can deregister it, or start a pairing with its device key")
	case unconfirmed:
		return web.New(web.CodeTaken, "the device is registered, and Amazon did not say whether to this customer; "+
			"nothing was changed. Sign in again in a few minutes")
	case refused:
		advice := cmp.Or(lwa.Explain(err), "Sign in again.")
		return &web.Problem{Status: 400, Code: refusal.code, Detail: "Login with Amazon refused the code. " + advice}
	case unknown:
		return web.New(web.CodeExchangeUnknown, "Login with Amazon gave no clear answer, and the code may be used up; sign in again")
	case notStored:
		return web.New(web.CodeExchangeUnknown, "the code is used up, and the registration could not be stored; sign in again")
	case unreachable:
		return web.Unavailable("Login with Amazon can't be reached; the code was not used, send it again", unreachableWait)
	case fault:
	}
	return unavailable(err)
}

// unavailable returns err as a 503 where the same request may succeed later.
func unavailable(err error) error {
	if errors.Is(err, context.Canceled) { // by a caller that has gone
		return err
	}
	if errors.Is(err, store.ErrUnavailable) || errors.Is(err, errSecrets) {
		slog.Warn("request can't be served now", "error", err)
		return web.Unavailable("our store or our secrets can't be read now; nothing was changed", time.Second)
	}
	return err
}
