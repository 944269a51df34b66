// Package credentials holds the LWA client ID and secret, and where they come from.
package credentials

import (
	"context"

	"github.com/restock-dev/restock/pkg/lwa"
)

// LWA is the security profile that Restock speaks for.
type LWA struct {
	ClientID     string
	ClientSecret lwa.Secret
}

// Source hands out the credentials, from memory where it can.
type Source interface {
	// Current returns the credentials, fetched at the first call.
	Current(ctx context.Context) (LWA, error)
	// Reload is called once LWA refused the secret. It fetches again and returns every
	// version worth trying, best first: current, pending, previous.
	Reload(ctx context.Context) ([]LWA, error)
}

// Static is a Source of credentials that do not change.
func Static(c LWA) Source { return static{c} }

type static struct{ c LWA }

func (s static) Current(context.Context) (LWA, error)  { return s.c, nil }
func (s static) Reload(context.Context) ([]LWA, error) { return []LWA{s.c}, nil }
