package replenish

import (
	"context"
	"errors"
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
	token, err := h.Keeper.AccessToken(ctx, reg)
	if err != nil {
		return h.troubled(ctx, reg, err)
	}
	err = inTime(ctx, token.Reveal(), call)
	if !errors.Is(err, drs.ErrInvalidToken) {
		return err
	}
	fresh, err := h.Keeper.Renew(ctx, reg, token)
	if err != nil {
		return h.troubled(ctx, reg, err)
	}
	return inTime(ctx, fresh.Reveal(), call)
}

func inTime(ctx context.Context, token string, call func(ctx context.Context, token string) error) error {
	if deadline, ok := ctx.Deadline(); ctx.Err() != nil || ok && time.Until(deadline) < minCallTime {
		return errNoTime
	}
	return call(ctx, token)
}

// troubled counts trouble with our own secrets, for which an operator is wanted.
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
