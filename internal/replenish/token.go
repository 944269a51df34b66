package replenish

import (
	"context"
	"log/slog"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/drs"
)

// withToken makes a call to DRS with reg's access token. If DRS doesn't take the token it
// is refreshed once, and the call repeated once. reg becomes the newest record where a
// refresh has read it.
//
// Errors: those of the Keeper, or of the call.
func (h *Handler) withToken(ctx context.Context, reg *store.Registration, call func(ctx context.Context, token string) error) error {
	err := tokens.Call(ctx, h.Keeper, reg, drs.ErrInvalidToken, func(ctx context.Context, token string) error {
		return inTime(ctx, token, call)
	})
	return h.troubled(ctx, reg, err)
}

func inTime(ctx context.Context, token string, call func(ctx context.Context, token string) error) error {
	if deadline, ok := ctx.Deadline(); ctx.Err() != nil || ok && time.Until(deadline) < minCallTime {
		return errNoTime
	}
	return call(ctx, token)
}

// troubled returns err, and counts trouble with our own secrets, for which an operator is wanted.
func (h *Handler) troubled(ctx context.Context, reg *store.Registration, err error) error {
	cause := ""
	switch {
	case is[*tokens.CredentialsError](err):
		cause = "credentials"
	case is[*tokens.SealError](err):
		cause = "sealed"
	case is[*tokens.SecretsError](err):
		cause = "unreadable"
	default:
		return err
	}
	h.count("SecretsTrouble", "cause", cause)
	slog.ErrorContext(ctx, "our own secrets don't work", "cause", cause, "thing", reg.Thing, "error", err)
	return err
}
