package ownership

import (
	"context"
	"errors"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/drs"
)

// amazonTime is what Amazon has to take a device off an account: a refresh, and two calls.
const amazonTime = 25 * time.Second

// DRS is the call of [drs.Client] that takes a device off an account.
type DRS interface {
	Deregister(ctx context.Context, accessToken string) error
}

// AtAmazon takes the device of r off its customer's account, with the grant that it has.
//
// Errors: those of k and of d; [tokens.ErrPairedAnew] for a device that has another by now.
func AtAmazon(ctx context.Context, k tokens.Source, d DRS, r *store.Registration) error {
	ctx, cancel := context.WithTimeout(ctx, amazonTime)
	defer cancel()
	return tokens.Call(ctx, k, r, drs.ErrInvalidToken, tokens.ForGrant(r, d.Deregister))
}

// told is what an answer of [AtAmazon] means for the registration there.
func told(err error) Told {
	var ended *tokens.GrantEndedError
	switch {
	case err == nil:
		return Deregistered
	case errors.As(err, &ended) && ended.Reason == store.ReasonNoRefreshToken:
		return NotTold // the hour of its token is over, and with it every way to tell
	case isOver(err):
		return Ended
	}
	return NotTold
}

// isOver reports whether there is nothing left to tell Amazon with, or about.
func isOver(err error) bool {
	return tokens.Over(err) || errors.Is(err, drs.ErrInvalidToken)
}
