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

// lastMoment is how long a token lives at least that is handed out where there is no newer one.
const lastMoment = 10 * time.Second

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
	return f.put(ctx, r, g)
}

// SetCustomer says whose a stored grant is.
func (f *File) SetCustomer(ctx context.Context, g Grant, customerID string) error {
	r, err := f.get(ctx, g)
	if err != nil {
		return err
	}
	g.At, g.CustomerID, r.CustomerID = r.StatusAt, customerID, customerID
	return f.put(ctx, r, g)
}

// Token returns a valid access token of a grant, renewed where that is needed. secret is
// the client's; zero: there is none. Where there is no newer token, one that still works is
// returned.
//
// Errors: [ErrNone], [ErrSecretNeeded], or those of [tokens.Keeper.AccessToken].
func (f *File) Token(ctx context.Context, g Grant, secret lwa.Secret) (Access, error) {
	r, err := f.get(ctx, g)
	if err != nil {
		return Access{}, err
	}
	keeper := f.keeper(g, credentials.LWA{ClientID: g.ClientID, ClientSecret: secret})
	if r.Status == store.Active && r.Renewable() && !g.Public && secret.IsZero() {
		if r.Expiry.Sub(f.now()) <= lastMoment {
			return Access{}, ErrSecretNeeded
		}
		keeper.Margin = lastMoment
	}
	token, err := keeper.AccessToken(ctx, r)
	if err != nil {
		return Access{}, err
	}
	return Access{token, r.Expiry.UTC()}, nil
}

// Check says why a stored grant gives no new token, without asking for one; nil: nothing
// is known against it.
//
// Errors: [ErrNone], a [*tokens.GrantEndedError], or a [*tokens.SealError].
func (f *File) Check(ctx context.Context, g Grant) error {
	r, err := f.get(ctx, g)
	if err != nil {
		return err
	}
	if r.Status != store.Active {
		return &tokens.GrantEndedError{Reason: r.Reason, At: r.StatusAt}
	}
	for field, text := range map[string]string{seal.FieldAccessToken: r.AccessToken, seal.FieldRefreshToken: r.RefreshToken} {
		if text == "" {
			continue
		}
		if _, err := f.ring.Open(r.Thing, field, text); err != nil {
			return &tokens.SealError{Thing: r.Thing, Field: field, Err: err}
		}
	}
	return nil
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
// shortly before its expiry, then one that c asks for. Where that fails, the stored one is
// returned for as long as it works.
//
// Errors: [ErrSecretNeeded], those of [lwa.Client.ClientCredentials], or of the file.
func (f *File) ForApplication(ctx context.Context, c *lwa.Client, r lwa.Region, scopes []string) (Access, error) {
	g := New(Application, c, r, scopes)
	stored, left, err := f.stored(ctx, g)
	if err != nil || left > margin {
		return stored, err
	}
	fresh, err := f.credentialsOf(ctx, c, g)
	if err != nil && ctx.Err() == nil && stored.Expiry.Sub(f.now()) > lastMoment {
		return stored, nil
	}
	return fresh, err
}

// stored returns the token of an application, and how long it still lives: not at all where
// there is none. One that is sealed by a key that is lost is none, for LWA gives another.
func (f *File) stored(ctx context.Context, g Grant) (Access, time.Duration, error) {
	r, err := f.get(ctx, g)
	if errors.Is(err, ErrNone) {
		return Access{}, 0, nil
	}
	if err != nil {
		return Access{}, 0, err
	}
	plain, err := f.ring.Open(r.Thing, seal.FieldAccessToken, r.AccessToken)
	if err != nil {
		return Access{}, 0, nil //nolint:nilerr // the key that sealed it is lost: it is none
	}
	return Access{lwa.NewSecret(plain), r.Expiry.UTC()}, r.Expiry.Sub(f.now()), nil
}

func (f *File) credentialsOf(ctx context.Context, c *lwa.Client, g Grant) (Access, error) {
	if c.ClientSecret.IsZero() {
		return Access{}, ErrSecretNeeded
	}
	t, err := c.ClientCredentials(ctx, g.Scopes...)
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
