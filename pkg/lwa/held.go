package lwa

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/flight"
)

// held is a token with the instants that matter, in Unix nanoseconds.
type held struct {
	token   *Token       // nil: none yet
	since   int64        // when it was fetched; math.MinInt64: before this process, or unknown
	fresh   int64        // until then nobody thinks of renewing it
	last    int64        // until then it is handed out without waiting
	expiry  int64        // until then it is handed out if nothing better can be had
	renewAt atomic.Int64 // from then on somebody should begin to renew it
}

// spent holds a token that is only good for its refresh token.
func spent(t *Token) *held {
	h := &held{token: t, since: math.MinInt64, fresh: math.MinInt64, last: math.MinInt64, expiry: math.MinInt64}
	h.renewAt.Store(math.MinInt64)
	return h
}

// load returns what is held, at first the Initial token.
func (s *TokenSource) load() *held {
	if h := s.current.Load(); h != nil {
		return h
	}
	h := spent(s.Initial)
	if t := s.Initial; t != nil && !t.AccessToken.IsZero() && !t.Expiry.IsZero() {
		h = s.hold(t, safetyMargin)
		h.since = math.MinInt64
	}
	s.current.CompareAndSwap(nil, h)
	return s.current.Load()
}

// fetched holds a token that has just been fetched.
func (s *TokenSource) fetched(t *Token) *held {
	return s.hold(t, min(safetyMargin, t.Expiry.Sub(s.now())/4))
}

// hold plans the life of t, of which nobody relies on the last seconds.
func (s *TokenSource) hold(t *Token, last time.Duration) *held {
	now := s.now()
	h := &held{token: t, since: now.UnixNano(), expiry: t.Expiry.UnixNano(), last: t.Expiry.Add(-last).UnixNano()}
	early := time.Duration(0)
	if s.Early >= 0 {
		early = orDefault(s.Early, defaultEarly)
		early = min(early+flight.Jitter(s.Rand, early/2), t.Expiry.Sub(now)/4)
	}
	h.fresh = min(h.last, t.Expiry.Add(-early).UnixNano())
	h.renewAt.Store(h.fresh)
	return h
}
