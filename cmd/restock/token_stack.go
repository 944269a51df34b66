package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/restock-dev/restock/internal/cloud"
	"github.com/restock-dev/restock/internal/deployed"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
)

// ofStack returns a token of a device of a deployed stack, renewed as the functions do it,
// with the rights of an operator.
func (c *tokenCommand) ofStack(ctx context.Context, t *terminal) (lwa.Secret, error) {
	s, err := openStack(ctx, t, c.Stack, awsFlags{Region: c.Region, Profile: c.Profile})
	if err != nil {
		return lwa.Secret{}, err
	}
	a, err := asFunctions(ctx, s)
	if err != nil {
		return lwa.Secret{}, err
	}
	r := &store.Registration{Thing: c.Thing}
	switch err := a.Store().Get(ctx, r); {
	case errors.Is(err, store.ErrNotFound):
		return lwa.Secret{}, tokens.ErrNotRegistered
	case err != nil:
		return lwa.Secret{}, deployed.Explain(err)
	}
	token, err := keeperOf(a).AccessToken(ctx, r)
	return token, deployed.Explain(err)
}

// asFunctions returns what the functions of a stack have of AWS, with the rights of an operator.
func asFunctions(ctx context.Context, s *deployed.Stack) (*cloud.AWS, error) {
	environ, err := s.Environ(ctx, "ReplenishFunction")
	if err != nil {
		return nil, err
	}
	a, err := cloud.With(s.AWS(), environ, "RESTOCK_TABLE", "RESTOCK_LWA_SECRET", "RESTOCK_KEYS_SECRET")
	if err != nil {
		return nil, fmt.Errorf("the settings of the stack %s: %w", s.Name(), err)
	}
	return a, nil
}

// keeperOf returns the Keeper that the functions have.
func keeperOf(a *cloud.AWS) *tokens.Keeper {
	return &tokens.Keeper{
		Store: a.Store(), Credentials: a.Credentials(), Keys: a.Keys(), Endpoint: a.Config.Endpoint,
		Policy: a.Config.RefreshPolicy, Shards: a.Config.Shards,
	}
}
