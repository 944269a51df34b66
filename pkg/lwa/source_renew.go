package lwa

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/flight"
)

// renew has one token fetched for all who ask meanwhile.
func (s *TokenSource) renew(ctx context.Context) (*Token, error) {
	if wait := s.closedFor(); wait > 0 {
		return nil, &HeldBackError{Err: *s.failure.Load(), RetryAfter: wait}
	}
	if ctx.Err() != nil {
		return nil, notWaited(context.Cause(ctx))
	}
	t, landed, err := s.flights.Do(ctx, "", s.limit(), s.fly)
	if !landed {
		return nil, notWaited(err)
	}
	return t, err
}

func notWaited(cause error) error { return fmt.Errorf("lwa: waiting for a token: %w", cause) }

// fly gets the next token and notes how that went.
func (s *TokenSource) fly(ctx context.Context) (*Token, error) {
	h := s.load()
	if h.age(s.now()) < h.fresh {
		return h.token, nil // the flight before this one got it
	}
	ticket, wait, err := s.theGate().Enter(ctx)
	switch {
	case err != nil:
		return nil, err
	case ticket == nil:
		return nil, &HeldBackError{Err: *s.failure.Load(), RetryAfter: wait}
	}
	defer ticket.Leave(ctx, flight.Silent, 0) // where Fetch or a hook ends the goroutine
	t, err := s.obtain(ctx, h.token)
	if err != nil {
		s.failure.Store(&err)
		ticket.Leave(ctx, flight.Fails, s.pause(err))
		if s.Failed != nil {
			s.Failed(ctx, err)
		}
		return nil, err
	}
	s.pending = nil
	s.current.Store(s.fetched(t))
	ticket.Leave(ctx, flight.Works, 0)
	return t, nil
}

// obtain fetches a token, unless one is left that Changed has not taken over, and has
// Changed take it over. One that has expired on its way, as where a laptop slept meanwhile, is
// taken over too, since its refresh token may have replaced the one before; with that
// another one is fetched, once.
func (s *TokenSource) obtain(ctx context.Context, last *Token) (*Token, error) {
	if t := s.pending; t != nil {
		if s.now().Before(t.Expiry.Add(-safetyMargin)) {
			return t, s.takeOver(ctx, t)
		}
		last = t
	}
	for range fetches {
		t, err := s.fetch(ctx, last)
		if err != nil {
			return nil, err
		}
		alive := s.now().Before(t.Expiry)
		if !alive && t.RefreshToken.IsZero() {
			break
		}
		s.pending = t
		if err := s.takeOver(ctx, t); err != nil {
			return nil, err
		}
		if alive {
			return t, nil
		}
		last = t
	}
	return nil, errUselessFetch
}

// takeOver has Changed take over the pending token, which stays pending where it fails.
func (s *TokenSource) takeOver(ctx context.Context, t *Token) error {
	if s.Changed != nil {
		ctx, cancel := context.WithTimeout(ctx, s.callTimeout())
		defer cancel()
		if err := s.Changed(ctx, t); err != nil {
			return &HookError{err}
		}
	}
	return nil
}

// fetches bounds the calls of Fetch in one flight.
const fetches = 2

var (
	errNoFetch      = errors.New("lwa: the TokenSource has no Fetch: get one from a Client, or fill it in")
	errUselessFetch = errors.New("lwa: Fetch returned a token that is empty or has expired")
)

func (s *TokenSource) fetch(ctx context.Context, last *Token) (*Token, error) {
	if s.Fetch == nil {
		return nil, errNoFetch
	}
	ctx, cancel := context.WithTimeout(ctx, s.callTimeout())
	defer cancel()
	t, err := s.Fetch(ctx, last)
	switch {
	case err != nil:
		return nil, err
	case t == nil || t.AccessToken.IsZero():
		return nil, errUselessFetch
	}
	return t, nil
}

// pause is how long nobody asks after err at least.
func (s *TokenSource) pause(err error) time.Duration {
	var e *Error
	if errors.As(err, &e) && !e.Temporary() || errors.Is(err, ErrNoRefreshToken) {
		return orDefault(s.CoolDown, defaultCoolDown)
	}
	after, _ := Retry(err)
	return after
}
