package tokens

import (
	"context"
	"fmt"
	"time"

	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa"
)

// Seal puts the token of a new sign-in into r, sealed, with expiry and due time, and
// clears failures and lease; the caller Puts r. r.Thing must be set. A token that comes
// without refresh token leaves r without one: the old one belongs to another grant.
//
// Errors: [*UnavailableError] while the key ring can't be read.
func (k *Keeper) Seal(ctx context.Context, r *store.Registration, t *lwa.Token) error {
	ring, err := k.ring(ctx)
	if err != nil {
		return err
	}
	access, err := sealed(ring, r, seal.FieldAccessToken, t.AccessToken)
	if err != nil {
		return err
	}
	refresh, err := sealed(ring, r, seal.FieldRefreshToken, t.RefreshToken)
	if err != nil {
		return err
	}
	r.AccessToken, r.RefreshToken, r.Expiry = access, refresh, stamp(t.Expiry)
	r.LeaseOwner, r.LeaseUntil = "", time.Time{}
	r.Failures, r.NextAttempt = 0, time.Time{}
	k.schedule(r)
	return nil
}

func (k *Keeper) ring(ctx context.Context) (*seal.Ring, error) {
	ring, err := k.Keys.Ring(ctx)
	if err != nil {
		return nil, k.outage(0, &SecretsError{fmt.Errorf("reading the key ring: %w", err)})
	}
	return ring, nil
}

func (k *Keeper) openAccess(ctx context.Context, r *store.Registration) (lwa.Secret, error) {
	ring, err := k.ring(ctx)
	if err != nil {
		return lwa.Secret{}, err
	}
	return open(ring, r, seal.FieldAccessToken, r.AccessToken)
}

func open(ring *seal.Ring, r *store.Registration, field, text string) (lwa.Secret, error) {
	plain, err := ring.Open(r.Thing, field, text)
	if err != nil {
		return lwa.Secret{}, &SealError{Thing: r.Thing, Field: field, Err: err}
	}
	return lwa.NewSecret(plain), nil
}

// sealed returns the text to store for a token; "" for none.
func sealed(ring *seal.Ring, r *store.Registration, field string, token lwa.Secret) (string, error) {
	if token.IsZero() {
		return "", nil
	}
	text, err := ring.Seal(r.Thing, field, token.Reveal())
	if err != nil {
		return "", fmt.Errorf("sealing %s of %s: %w", field, r.Thing, err)
	}
	return text, nil
}
