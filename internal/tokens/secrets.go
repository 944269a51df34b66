package tokens

import (
	"context"
	"fmt"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/pkg/lwa"
)

// secrets finds secrets worth trying for a client of ours.
type secrets func(ctx context.Context, clientID string) ([]lwa.Secret, error)

// client returns the LWA client that r's grant was given to. Only our own has a secret:
// the one that worked last.
func (k *Keeper) client(ctx context.Context, r *store.Registration) (lwa.Client, error) {
	c := lwa.Client{ClientID: r.ClientID, Endpoint: k.endpoint(r), HTTPClient: k.HTTPClient, Now: k.Now}
	if r.PublicClient {
		return c, nil
	}
	if known, _ := k.remembered(ctx, r.ClientID); len(known) > 0 {
		c.ClientSecret = known[0]
		return c, nil
	}
	our, err := k.Credentials.Current(ctx)
	if err != nil {
		return c, k.outage(0, &SecretsError{fmt.Errorf("reading the LWA client credentials: %w", err)})
	}
	if c.ClientID == our.ClientID {
		c.ClientSecret = our.ClientSecret
	}
	return c, nil
}

// remembered returns the secret that LWA took last, if any.
func (k *Keeper) remembered(_ context.Context, clientID string) ([]lwa.Secret, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if secret, ok := k.working[clientID]; ok {
		return []lwa.Secret{secret}, nil
	}
	return nil, nil
}

// remember keeps a secret that LWA took, until it takes another one instead.
func (k *Keeper) remember(clientID string, secret lwa.Secret) {
	if secret.IsZero() {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.working == nil {
		k.working = map[string]lwa.Secret{}
	}
	k.working[clientID] = secret
}

// reloaded asks the source for all versions of the credentials, once for all who want
// to know at the same time.
func (k *Keeper) reloaded(ctx context.Context, clientID string) ([]lwa.Secret, error) {
	versions, _, err := k.reloads.Do(ctx, "", k.callTimeout(), k.Credentials.Reload)
	if err != nil {
		return nil, fmt.Errorf("reloading the LWA client credentials: %w", err)
	}
	var found []lwa.Secret
	for _, version := range versions {
		if version.ClientID == clientID {
			found = append(found, version.ClientSecret)
		}
	}
	return found, nil
}
