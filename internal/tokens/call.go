package tokens

import (
	"context"
	"errors"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa"
)

// Source hands out access tokens, as [Keeper] does.
type Source interface {
	AccessToken(ctx context.Context, r *store.Registration) (lwa.Secret, error)
	Renew(ctx context.Context, r *store.Registration, rejected lwa.Secret) (lwa.Secret, error)
}

// Call makes a call with r's access token. If its error is refused, the token is refreshed once,
// and the call repeated once. r becomes the newest record where a refresh has read it.
//
// Errors: those of s, or of the call.
func Call(ctx context.Context, s Source, r *store.Registration, refused error, call func(ctx context.Context, token string) error) error {
	token, err := s.AccessToken(ctx, r)
	if err != nil {
		return err
	}
	err = call(ctx, token.Reveal())
	if !errors.Is(err, refused) {
		return err
	}
	fresh, err := s.Renew(ctx, r, token)
	if err != nil {
		return err
	}
	return call(ctx, fresh.Reveal())
}

// ErrPairedAnew is returned by calls of [ForGrant].
var ErrPairedAnew = errors.New("the device was paired anew meanwhile")

// ForGrant returns a call for the grant that r has now. [Call] may find, as it refreshes, that the
// device was paired anew: what was to end with one customer must not happen to the next.
//
// Errors: [ErrPairedAnew], and nothing was called; those of the call.
func ForGrant(r *store.Registration, call func(ctx context.Context, token string) error) func(ctx context.Context, token string) error {
	grant := r.Grant
	return func(ctx context.Context, token string) error {
		if r.Grant != grant {
			return ErrPairedAnew
		}
		return call(ctx, token)
	}
}
