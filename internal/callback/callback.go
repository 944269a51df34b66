package callback

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/pkg/lwa"
)

// callback is where Amazon sends the browser back to. It looks at the state and the
// browser before it looks at anything else, and changes nothing until both are right.
func (h *Handler) callback(_ http.ResponseWriter, r *http.Request) (*page, error) {
	q, ok := query(r, "state", "code", "error")
	switch {
	case !ok:
		return badLink(), nil
	case q.Get("state") == "":
		return h.withoutState(r, q)
	}
	l, err := h.find(r.Context(), hash(q.Get("state")))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return unknownLogin(), nil
	case err != nil:
		return nil, err
	case !sameBrowser(r, l):
		return otherBrowser(), nil
	case !l.UsedAt.IsZero():
		return h.reopened(r.Context(), l)
	case q.Get("error") != "":
		return declined(q.Get("error"), l), nil
	case !isCode(q.Get("code")):
		return badLink(), nil
	case r.Method == http.MethodHead: // what only looks must not use the code up
		return unfinished(l), nil
	}
	// A customer who closes the page now must not leave the sign-in half done.
	ctx, cancel := outlasting(r.Context())
	defer cancel()
	return h.finish(ctx, l, q.Get("code"))
}

func (h *Handler) find(ctx context.Context, stateHash string) (*store.Login, error) {
	l := &store.Login{StateHash: stateHash}
	if err := h.Store.Get(ctx, l); err != nil {
		return nil, fmt.Errorf("reading login: %w", err)
	}
	return l, nil
}

// withoutState answers a redirect without state. Amazon has been seen to leave it out
// when the customer says no: then the browser's own cookies tell which login that was.
func (h *Handler) withoutState(r *http.Request, q url.Values) (*page, error) {
	switch {
	case q.Get("code") != "":
		return stateless(), nil
	case q.Get("error") == "":
		return badLink(), nil
	}
	var found *store.Login
	for _, stateHash := range begun(r) {
		l, err := h.find(r.Context(), stateHash)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if err != nil || !sameBrowser(r, l) || !l.UsedAt.IsZero() {
			continue
		}
		if found != nil {
			return declined(q.Get("error"), nil), nil // either may be meant
		}
		found = l
	}
	return declined(q.Get("error"), found), nil
}

// finish marks the login as used, sends the code to LWA and says what came of it.
func (h *Handler) finish(ctx context.Context, l *store.Login, code string) (*page, error) {
	s, bad, err := h.signInOf(ctx, l, code)
	if bad != nil || err != nil {
		return bad, err
	}
	l.UsedAt, l.Verifier = h.now(), ""
	switch err := h.Store.Put(ctx, l); {
	case errors.Is(err, store.ErrConflict): // the same link, opened twice at once
		if l, err = h.find(ctx, l.StateHash); err != nil {
			return nil, err
		}
		return h.reopened(ctx, l)
	case err != nil:
		return nil, fmt.Errorf("using login of %s: %w", l.Thing, err)
	}
	reg, err := h.register(ctx, s)
	o := h.conclude(ctx, l.Thing, err)
	h.close(ctx, l, o)
	if err != nil {
		return failed(o, l), nil
	}
	return connected(reg), nil
}

// signInOf returns what is to be exchanged for a login. bad is the page for a pairing
// that no longer waits.
func (h *Handler) signInOf(ctx context.Context, l *store.Login, code string) (s *signIn, bad *page, err error) {
	s = &signIn{code: code, redirectURL: h.RedirectURL, grant: grantOf(l)}
	if s.device, err = thing.Parse(l.Thing); err != nil {
		return nil, nil, fmt.Errorf("reading login: %w", err)
	}
	if l.Pairing != "" {
		if s.pairing, bad, err = h.waiting(ctx, l.Pairing); bad != nil || err != nil {
			return nil, bad, err
		}
	}
	creds, err := h.credentials(ctx)
	if err != nil {
		return nil, nil, err
	}
	s.clientID, s.clientSecret = creds.ClientID, creds.ClientSecret
	if l.Verifier == "" {
		return s, nil, nil
	}
	ring, err := h.ring(ctx)
	if err != nil {
		return nil, nil, err
	}
	verifier, err := ring.Open(l.Thing, seal.FieldVerifier, l.Verifier)
	if err != nil {
		return nil, nil, fmt.Errorf("opening verifier: %w", err)
	}
	s.verifier = lwa.NewSecret(verifier)
	return s, nil, nil
}

// close notes on the login how it came out, for whoever opens it again. Should that
// fail, they learn it from the registration, or that it is not known.
func (h *Handler) close(ctx context.Context, l *store.Login, o outcome) {
	l.Outcome = string(o)
	if err := h.Store.Put(ctx, l); err != nil {
		logFailure(ctx, l.Thing, o, fmt.Errorf("noting outcome of login: %w", err))
	}
}

// grantOf names the grant of a login. It follows from the login, so that a registration
// shows which login made it.
func grantOf(l *store.Login) string { return l.StateHash[:32] }

// How long a page that was opened again waits for the first, and how often it looks.
const (
	settleTime  = 5 * time.Second
	settleGap   = 250 * time.Millisecond
	settleLimit = 30 * time.Second // a login used longer ago is not being worked on
)

// reopened says how things stand with a login that was used before. It exchanges nothing.
func (h *Handler) reopened(ctx context.Context, l *store.Login) (*page, error) {
	deadline, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		reg := &store.Registration{Thing: l.Thing}
		if err := h.Store.Get(ctx, reg); err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, fmt.Errorf("reading registration of %s: %w", l.Thing, err)
		}
		switch {
		case reg.Grant == grantOf(l):
			return standing(reg), nil
		case outcome(l.Outcome) == paired:
			return superseded(l), nil
		case l.Outcome != "":
			return earlier(outcome(l.Outcome), l), nil
		case h.now().Sub(l.UsedAt) > settleLimit || backoff.Sleep(deadline, settleGap) != nil:
			return unfinished(l), nil
		}
		var err error
		switch l, err = h.find(ctx, l.StateHash); {
		case errors.Is(err, store.ErrNotFound):
			return unknownLogin(), nil
		case err != nil:
			return nil, err
		}
	}
}
