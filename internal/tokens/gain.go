package tokens

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa"
)

// gain is what LWA gave for the tokens of a record, sealed once, so that it can be
// recognised in the store.
type gain struct {
	from    *store.Registration // whose tokens it replaces
	access  string
	refresh string
	rotated bool // LWA sent another refresh token
	expiry  time.Time
}

// newGain seals token for the record from. A refresh token that LWA did not send again is
// sealed again all the same: so a new primary key gets to every record within a life of
// a token.
func newGain(ring *seal.Ring, from *store.Registration, used lwa.Secret, token *lwa.Token) (*gain, error) {
	refresh := token.RefreshToken // lwa repeats the one used where LWA sends none
	if refresh.IsZero() {
		refresh = used
	}
	g := &gain{from: from, rotated: refresh.Reveal() != used.Reveal(), expiry: stamp(token.Expiry)}
	var err error
	if g.access, err = sealed(ring, from, seal.FieldAccessToken, token.AccessToken); err != nil {
		return nil, err
	}
	g.refresh, err = sealed(ring, from, seal.FieldRefreshToken, refresh)
	return g, err
}

// keep stores a gain. Others may have written the record since the lease was, even
// another's refresh that took our lease over: what is newer stays.
func (f *renewal) keep(ctx context.Context, g *gain) error {
	limit := f.k.lease()
	if f.holdsLease(f.r) {
		limit = f.r.LeaseUntil.Sub(f.k.now())
	}
	inTime, cancel := context.WithTimeout(ctx, max(limit, time.Second))
	defer cancel()
	same := sameTokens(g.from)
	err := f.commit(inTime, change{
		insist: true,
		apply:  func(r *store.Registration) { f.put(r, g) },
		done:   func(r *store.Registration) bool { return r.AccessToken == g.access },
		ours: func(r *store.Registration) bool {
			return same(r) || f.holdsLease(r) && r.Grant == g.from.Grant
		},
	})
	if err != nil && !errors.Is(err, errAgain) && !Over(err) {
		f.k.keepUnstored(ctx, g)
	}
	return err
}

// put puts a gain into a record. The refresh token of the record stays where LWA sent
// none and the record has got another one since.
func (f *renewal) put(r *store.Registration, g *gain) {
	r.AccessToken, r.Expiry = g.access, g.expiry
	if g.rotated || r.RefreshToken == g.from.RefreshToken {
		r.RefreshToken = g.refresh
	}
	r.Failures, r.NextAttempt = 0, time.Time{}
	f.release(r)
	f.k.schedule(r)
}

// maxUnstored bounds what is kept for a store that fails. It takes that many refreshes
// under way at the moment it begins to.
const maxUnstored = 1000

// keepUnstored remembers a gain that could not be stored.
func (k *Keeper) keepUnstored(ctx context.Context, g *gain) {
	slog.ErrorContext(ctx, "a new token could not be stored; it is kept in memory until the store works again",
		"thing", g.from.Thing)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unstored == nil {
		k.unstored = map[string]*gain{}
	}
	if len(k.unstored) < maxUnstored {
		k.unstored[g.from.Thing] = g
	}
}

// takeUnstored returns the gain that was kept for the tokens in r, if there is one.
func (k *Keeper) takeUnstored(r *store.Registration) *gain {
	k.mu.Lock()
	defer k.mu.Unlock()
	g := k.unstored[r.Thing]
	delete(k.unstored, r.Thing)
	if g == nil || !sameTokens(g.from)(r) {
		return nil
	}
	return g
}
