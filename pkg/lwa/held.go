package lwa

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/flight"
)

// held is a token with the ages that matter.
type held struct {
	token   *Token        // nil: none yet
	at      time.Time     // when it was got hold of, from which its age counts
	fetched bool          // at that time, and not before this process began
	fresh   time.Duration // until this age nobody thinks of renewing it
	last    time.Duration // until this age it is handed out without waiting
	expiry  time.Duration // until this age it is handed out if nothing better can be had
	renewAt atomic.Int64  // from this age on somebody should begin to renew it; at most last
}

// from is age, for renewAt: until then nobody looks whether the token has expired.
func (h *held) from(age time.Duration) int64 { return int64(min(age, h.last)) }

// spent holds a token that is only good for its refresh token: whatever its age, it is over 0.
func spent(t *Token) *held { return &held{token: t} }

// unknownAge is more than that of any token.
const unknownAge = time.Duration(math.MaxInt64 / 2)

// age is how old the token is, by the clock that says more: the monotonic one may stand
// still while a machine sleeps, and the other one may be set back. Where it was set to
// before the token came, and there is no monotonic one, nobody can tell.
func (h *held) age(now time.Time) time.Duration {
	age := max(now.Sub(h.at), time.Duration(now.UnixNano()-h.at.UnixNano()))
	switch {
	case age < -safetyMargin:
		return unknownAge
	case age < 0:
		return 0
	}
	return age
}

// load returns what is held, at first the Initial token.
func (s *TokenSource) load() *held {
	if h := s.current.Load(); h != nil {
		return h
	}
	h := spent(s.Initial)
	if t := s.Initial; t != nil && !t.AccessToken.IsZero() && !t.Expiry.IsZero() {
		h = s.hold(t, safetyMargin)
	}
	s.current.CompareAndSwap(nil, h)
	return s.current.Load()
}

// fetched holds a token that has just been fetched.
func (s *TokenSource) fetched(t *Token) *held {
	h := s.hold(t, min(safetyMargin, t.Expiry.Sub(s.now())/4))
	h.fetched = true
	return h
}

// hold plans the life of t, of which nobody relies on the last seconds.
func (s *TokenSource) hold(t *Token, last time.Duration) *held {
	now := s.now()
	life := t.Expiry.Sub(now)
	h := &held{token: t, at: now, expiry: life, last: life - last}
	early := time.Duration(0)
	if s.Early >= 0 {
		early = orDefault(s.Early, defaultEarly)
		early = min(early+flight.Jitter(s.Rand, early/2), life/4)
	}
	h.fresh = min(h.last, life-early)
	h.renewAt.Store(int64(h.fresh))
	return h
}
