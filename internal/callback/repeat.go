package callback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/restock-dev/restock/internal/backoff"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/pkg/lwa"
)

// registerOnce is register for a request that may come again, because its answer got lost.
// It is known by a login of its own, as a browser's sign-in is by its state: the code is
// sent once, and whoever sends the same again, verifier included, hears what came of it. Only
// where that is not known, or the code was not used, is it sent again.
//
// Errors: those of register, or a [*web.Problem] for a request that came again.
func (h *Handler) registerOnce(ctx context.Context, s *signIn) (*store.Registration, error) {
	l, mine, err := h.begin(ctx, s)
	if err != nil {
		return nil, err
	}
	s.grant = grantOf(l)
	if !mine {
		slog.InfoContext(ctx, "registration asked for again", "thing", l.Thing, "outcome", l.Outcome)
		return h.repeated(ctx, s, l)
	}
	reg, err := h.register(ctx, s)
	o := h.conclude(ctx, l.Thing, err)
	if !kept(o) {
		l.UsedAt = time.Time{} // the same may be tried again
	}
	h.close(ctx, l, o)
	return reg, err
}

// kept reports whether an outcome is that of a code which is certainly used up. One that may be
// is sent again for an app that asks: no token that came of it is held by anybody.
func kept(o outcome) bool {
	return o == paired || o == taken || o == unconfirmed || o == notStored
}

// begin marks the request of s as under way. mine is false for one that came before.
func (h *Handler) begin(ctx context.Context, s *signIn) (l *store.Login, mine bool, err error) {
	name := s.device.Name()
	request := []string{"registration", name, s.code, s.verifier.Reveal(), s.redirectURL, s.clientID}
	l = &store.Login{StateHash: hash(strings.Join(request, "\x00"))} // no state has a control character
	if err := h.Store.Get(ctx, l); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, false, fmt.Errorf("reading request of %s: %w", name, err)
	}
	if !l.UsedAt.IsZero() {
		return l, false, nil
	}
	l.Thing, l.UsedAt, l.Outcome, l.ExpiresAt = name, h.now(), "", h.now().Add(store.LoginTTL)
	switch err := h.Store.Put(ctx, l); {
	case errors.Is(err, store.ErrConflict): // the same request, twice at once
		l, err = h.find(ctx, l.StateHash)
		return l, false, err
	case err != nil:
		return nil, false, fmt.Errorf("noting request of %s: %w", name, err)
	}
	return l, true, nil
}

// repeated waits for what comes of an earlier request. It exchanges nothing.
func (h *Handler) repeated(ctx context.Context, s *signIn, l *store.Login) (*store.Registration, error) {
	deadline, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		reg, err := h.rekey(ctx, s)
		switch {
		case reg != nil || err != nil:
			return reg, err
		case l.Outcome != "":
			return nil, cameOut(outcome(l.Outcome))
		case h.now().Sub(l.UsedAt) > settleLimit: // it died, and its code may be good still
			l.UsedAt = time.Time{}
			h.close(ctx, l, unknown)
			return nil, errUnknown
		case backoff.Sleep(deadline, settleGap) != nil:
			return nil, underWay()
		}
		if l, err = h.find(ctx, l.StateHash); err != nil {
			return nil, err
		}
	}
}

// rekey returns the registration that an earlier request of s has made, with the key of s in
// place of the one that got lost: nil where there is none.
func (h *Handler) rekey(ctx context.Context, s *signIn) (*store.Registration, error) {
	var err error
	for range claimTries {
		reg := &store.Registration{Thing: s.device.Name()}
		if err = h.get(ctx, reg); errors.Is(err, store.ErrNotFound) {
			return nil, nil
		} else if err != nil {
			break
		}
		if reg.Grant != s.grant || reg.Status != store.Active {
			return nil, nil
		}
		reg.KeyHash = s.keyHash
		if err = h.put(ctx, reg); err == nil {
			return reg, nil
		} else if !errors.Is(err, store.ErrConflict) { // a refresh, most likely
			break
		}
	}
	return nil, fmt.Errorf("giving %s another key: %w", s.device.Name(), err)
}

// cameOut is what a request that came again hears of the outcome of the first.
func cameOut(o outcome) error {
	switch o {
	case taken:
		return errTaken
	case unconfirmed:
		return errUnconfirmed
	case notStored:
		return errNotStored
	case paired: // what it made is there no more
		return &web.Problem{
			Status: http.StatusBadRequest, Code: string(lwa.InvalidGrant),
			Detail: "this code was used, and the registration that came of it has ended or was replaced; sign in again",
		}
	case refused, unknown, unreachable, fault: // it may be tried again by now
	}
	return underWay()
}

func underWay() error {
	return web.Unavailable("an earlier request with this code is still under way; send it again", unreachableWait)
}
