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
