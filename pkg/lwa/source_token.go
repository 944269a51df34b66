package lwa

import (
	"context"
	"time"
)

// Token returns an access token that works for at least some seconds. As long as nothing
// has to be renewed it takes no lock, allocates nothing, and doesn't look at ctx; else it
// waits until ctx ends. The token is shared, and must not be changed.
//
// Errors: those of Fetch; [*HookError]; [*HeldBackError] for a while after any of them; the
// cause of ctx.
func (s *TokenSource) Token(ctx context.Context) (*Token, error) {
	if h := s.current.Load(); h != nil && h.age(s.now()) < time.Duration(h.renewAt.Load()) {
		return h.token, nil
	}
	return s.tokenSlowly(ctx)
}

func (s *TokenSource) tokenSlowly(ctx context.Context) (*Token, error) {
	h := s.load()
	if age := h.age(s.now()); age < h.last {
		s.renewBehind(ctx, h, age)
		return h.token, nil
	}
	t, err := s.renew(ctx)
	if err != nil {
		if h = s.load(); h.age(s.now()) < h.expiry {
			return h.token, nil // it may still arrive in time
		}
	}
	return t, err
}

// Reject says that an API refused the access token: it is not handed out again. It
// reports whether the next Token gets another one; not where that one has been fetched in
// the last CoolDown, and so will hardly be better.
func (s *TokenSource) Reject(accessToken Secret) bool {
	h := s.load()
	switch {
	case h.token == nil || !h.token.AccessToken.Equal(accessToken):
		return true // there is another one, or none
	case h.fetched && h.age(s.now()) < orDefault(s.CoolDown, defaultCoolDown):
		return false
	}
	s.current.CompareAndSwap(h, spent(h.token))
	return true
}

// renewBehind renews in the background. Only one of the callers begins it.
func (s *TokenSource) renewBehind(ctx context.Context, h *held, age time.Duration) {
	at := h.renewAt.Load()
	if at > int64(age) || !h.renewAt.CompareAndSwap(at, h.from(age+s.limit())) {
		return
	}
	if wait := s.closedFor(); wait > 0 {
		h.renewAt.Store(h.from(age + wait))
		return
	}
	s.flights.Go(func() {
		if _, err := s.renew(context.WithoutCancel(ctx)); err != nil {
			h.renewAt.Store(h.from(h.age(s.now()) + s.closedFor()))
		}
	})
}

// Wait waits until no renewal is under way, in the background or for callers who gave up. A
// program that ends in the middle of one may lose the refresh token that Amazon has just
// sent: it calls Wait once it has stopped using s. When ctx ends first Wait returns its
// cause. A renewal takes four times CallTimeout at most.
func (s *TokenSource) Wait(ctx context.Context) error { return s.flights.Wait(ctx) }
