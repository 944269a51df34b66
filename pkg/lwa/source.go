package lwa

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/flight"
)

// TokenSource hands out one access token to everybody, and sees to it that it works:
//
//   - All callers who find it used up share one request, whoever of them gives up.
//   - In its last minutes, at a random one of them, it is renewed in the background, while
//     the old one is still handed out.
//   - After a failure nobody asks for a while: for CoolDown where Amazon refuses, for
//     a growing random time where it is in trouble. See [HeldBackError].
//   - Changed is told of a new token before anybody gets it.
//
// Get one from [Client.RefreshSource] or [Client.ClientCredentialsSource], or fill in
// Fetch. It is safe for concurrent use; its fields must not be changed once it is used,
// and it must not be copied then.
//
// A program that doesn't run for long, a command for instance, calls [TokenSource.Wait]
// before it ends. With Early at -1 it needs to do so only where a caller gave up.
//
// Fetch and the hooks run in a goroutine of their own: a panic in one ends the program.
//
// A source works for one process. Processes that share a refresh token get along as
// long as Amazon doesn't rotate it, and share their tokens by a Fetch that first looks where
// Changed stores them: see the example.
type TokenSource struct {
	// Fetch gets the next token. last is the newest there was, with the refresh token to
	// use; nil at first. Required. It is never called twice at a time. Its ctx has the values
	// of one of the callers' and ends after CallTimeout, and Fetch has to end with it. When what
	// it returns has expired on its way, it is called once more, with the refresh token of that.
	Fetch func(ctx context.Context, last *Token) (*Token, error)
	// Initial is the token to begin with, one that was stored for instance; nil: none. Without
	// Expiry it counts as expired.
	Initial *Token
	// Changed is told of each new token before it is handed out: store it here, since
	// its refresh token may have replaced the one before. nil: nobody is told.
	//
	// When it fails, nobody gets the new token: the old one serves as long as it lives, and
	// then callers get a [*HookError]. The new token is kept, and Changed is told of it
	// again, before Amazon is asked for another one. Its ctx is like that of Fetch. It must not
	// call Token, which may be waiting for it.
	Changed func(ctx context.Context, t *Token) error
	// Failed is told of every failure, for a log: a renewal in the background has no
	// caller to tell. nil: nobody is told. Callers wait for it, so it should be quick.
	Failed func(ctx context.Context, err error)
	// Early is how long before its expiry a token is renewed in the background, and up to half
	// as long again, at random; at most a quarter of its life. 0: 5 minutes; negative:
	// not in the background, as where a process sleeps between its calls.
	Early time.Duration
	// CoolDown is how long nobody asks after a refusal; 0: 30 seconds.
	CoolDown time.Duration
	// CallTimeout bounds a call of Fetch, and one of Changed; 0: 10 seconds.
	CallTimeout time.Duration
	// Now tells the time; nil: [time.Now].
	Now func() time.Time
	// Rand is the source of jitter, in [0, 1); nil: math/rand/v2. Several goroutines may call
	// it at the same time.
	Rand func() float64

	current atomic.Pointer[held]
	failure atomic.Pointer[error]
	flights flight.Group[*Token]
	gate    atomic.Pointer[flight.Gate]
	pending *Token // fetched, and not handed out so far; belongs to the flight
}

const (
	defaultEarly    = 5 * time.Minute
	defaultCoolDown = 30 * time.Second
	defaultCall     = 10 * time.Second

	// In its last seconds a token may expire on its way: it is replaced first.
	safetyMargin = 10 * time.Second

	firstPause = time.Second
	maxPause   = time.Minute
)

// RefreshSource returns a source of access tokens for the customer who t belongs to. t is
// handed out as long as it lives, then renewed with its refresh token. A Token that has a
// RefreshToken and nothing else will do.
//
// Beside those of [Client.Refresh] its errors are [ErrNoRefreshToken], [*HookError] and
// [*HeldBackError].
func (c *Client) RefreshSource(t *Token) *TokenSource {
	return &TokenSource{Initial: t, Now: c.Now, Fetch: func(ctx context.Context, last *Token) (*Token, error) {
		if last == nil {
			return nil, usage(opRefresh, ErrNoRefreshToken)
		}
		return c.Refresh(ctx, last.RefreshToken)
	}}
}

// ClientCredentialsSource returns a source of access tokens for the application itself, one
// source for each set of scopes.
//
// Beside those of [Client.ClientCredentials] its errors are [*HookError] and
// [*HeldBackError].
func (c *Client) ClientCredentialsSource(scopes ...string) *TokenSource {
	return &TokenSource{Now: c.Now, Fetch: func(ctx context.Context, _ *Token) (*Token, error) {
		return c.ClientCredentials(ctx, scopes...)
	}}
}

// HookError says that the new token was fetched, but [TokenSource].Changed failed to take it
// over. The token is not lost: the source tells Changed of it again.
type HookError struct{ Err error }

// Error implements error.
func (e *HookError) Error() string { return "lwa: taking over the new token: " + e.Err.Error() }

// Unwrap returns what Changed returned.
func (e *HookError) Unwrap() error { return e.Err }

func (s *TokenSource) closedFor() time.Duration { return s.theGate().Shut() }

func (s *TokenSource) theGate() *flight.Gate {
	if g := s.gate.Load(); g != nil {
		return g
	}
	s.gate.CompareAndSwap(nil, &flight.Gate{Now: s.Now, Backoff: flight.Backoff{First: firstPause, Max: maxPause, Rand: s.Rand}})
	return s.gate.Load()
}

// limit bounds a flight: its calls, and telling Changed after each.
func (s *TokenSource) limit() time.Duration { return fetches * 2 * s.callTimeout() }

func (s *TokenSource) callTimeout() time.Duration { return orDefault(s.CallTimeout, defaultCall) }

func (s *TokenSource) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}
