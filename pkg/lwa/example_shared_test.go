package lwa_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// database stands in for whatever several processes can read and write. A token is stored as
// access token, refresh token and expiry, sealed: Reveal has the values.
type database struct{ row atomic.Pointer[lwa.Token] }

func (d *database) load(context.Context) (*lwa.Token, error) { return d.row.Load(), nil }

func (d *database) save(_ context.Context, t *lwa.Token) error {
	d.row.Store(t)
	return nil
}

// process is the source of one of them: before it asks Amazon it looks for what another one has
// fetched.
func process(c *lwa.Client, d *database) *lwa.TokenSource {
	s := c.ClientCredentialsSource(lwa.ScopeAppSubmission)
	ask := s.Fetch
	s.Fetch = func(ctx context.Context, last *lwa.Token) (*lwa.Token, error) {
		t, err := d.load(ctx)
		if err != nil {
			return nil, err
		}
		if t == nil || last != nil && t.AccessToken.Equal(last.AccessToken) || t.Expiry.Before(c.Now().Add(time.Minute)) {
			return ask(ctx, last)
		}
		return t, nil
	}
	s.Changed = d.save
	return s
}

// Several processes, or functions that are started anew for each event, share one token.
func ExampleTokenSource_shared() {
	srv := sandbox()
	c, d := srv.Client(), new(database)
	for range 3 {
		token, err := process(c, d).Token(context.Background())
		fmt.Println(token, err)
	}
	fmt.Println(srv.Calls(lwatest.RouteToken, "client_credentials"), "token fetched")
	// Output:
	// lwa.Token(expires 2026-01-08T13:00:00Z) <nil>
	// lwa.Token(expires 2026-01-08T13:00:00Z) <nil>
	// lwa.Token(expires 2026-01-08T13:00:00Z) <nil>
	// 1 token fetched
}
