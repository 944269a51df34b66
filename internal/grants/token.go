package grants

import (
	"context"
	"errors"
	"time"

	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
)

// margin is how long a token that is handed out works at least, where LWA lets it: a
// script should get something done with it.
const margin = 5 * time.Minute

var (
	// ErrNone is returned for a grant that is not in the file.
	ErrNone = errors.New("nobody has signed in for this")
	// ErrSecretNeeded is returned where only a client secret gets a new token.
	ErrSecretNeeded = errors.New("a new token is needed, and for that the client secret")
)

// Access is a valid access token.
type Access struct {
	Token  lwa.Secret
	Expiry time.Time
}

// Add stores a grant and its token before anybody uses it. It takes the place of an
// earlier one of the same client for the same scopes.
func (f *File) Add(ctx context.Context, g Grant, t *lwa.Token) error {
	g.At = f.now().UTC()
	r := &store.Registration{Thing: g.name()}
	if err := f.store.Get(ctx, r); err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	r.Status, r.Reason, r.StatusAt = store.Active, "", g.At
	r.Region, r.ClientID, r.PublicClient, r.CustomerID = string(g.Region), g.ClientID, g.Public, g.CustomerID
	if err := f.keeper(g, credentials.LWA{}).Seal(ctx, r, t); err != nil {
		return err
	}
	if err := f.store.Put(ctx, r); err != nil {
		return err
	}
	return f.list(g)
}

// Token returns a valid access token of a grant, renewed where that is needed. secret is
// the client's; zero: there is none.
//
// Errors: [ErrNone], [ErrSecretNeeded], or those of [tokens.Keeper.AccessToken].
func (f *File) Token(ctx context.Context, g Grant, secret lwa.Secret) (Access, error) {
	r, err := f.get(ctx, g)
	if err != nil {
		return Access{}, err
	}
	stale := r.Status == store.Active && r.Expiry.Sub(f.now()) <= margin
	if stale && r.Renewable() && !g.Public && secret.IsZero() {
		return Access{}, ErrSecretNeeded
	}
	token, err := f.keeper(g, credentials.LWA{ClientID: g.ClientID, ClientSecret: secret}).AccessToken(ctx, r)
	if err != nil {
		return Access{}, err
	}
	return Access{token, r.Expiry.UTC()}, nil
}

func (f *File) get(ctx context.Context, g Grant) (*store.Registration, error) {
	r := &store.Registration{Thing: g.name()}
	err := f.store.Get(ctx, r)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNone
	}
	return r, err
}

// ForApplication returns an access token of the application itself: the stored one until
// shortly before its expiry, then one that c asks for.
//
// Errors: [ErrSecretNeeded], those of [lwa.Client.ClientCredentials], or of the file.
func (f *File) ForApplication(ctx context.Context, c *lwa.Client, r lwa.Region, scopes []string) (Access, error) {
	g := New(Application, c, r, scopes)
	stored, err := f.get(ctx, g)
	switch {
	case errors.Is(err, ErrNone):
	case err != nil:
		return Access{}, err
	case stored.Expiry.Sub(f.now()) > margin:
		// Sealed by a key that is lost, it is no use, and LWA gives another.
		if plain, err := f.ring.Open(stored.Thing, seal.FieldAccessToken, stored.AccessToken); err == nil {
			return Access{lwa.NewSecret(plain), stored.Expiry.UTC()}, nil
		}
	}
	if c.ClientSecret.IsZero() {
		return Access{}, ErrSecretNeeded
	}
	t, err := c.ClientCredentials(ctx, scopes...)
	if err != nil {
		return Access{}, err
	}
	if err := f.Add(ctx, g, t); err != nil {
		return Access{}, err
	}
	return Access{t.AccessToken, t.Expiry}, nil
}

// keeper renews the tokens of one grant.
func (f *File) keeper(g Grant, c credentials.LWA) *tokens.Keeper {
	return &tokens.Keeper{
		Store: f.store, Credentials: credentials.Static(c), Keys: seal.Static(f.ring), Policy: tokens.OnUse, Margin: margin, Now: f.now,
		Endpoint: func(lwa.Region) lwa.Endpoint { return lwa.Endpoint{APIURL: g.APIURL} },
	}
}
