// Package wiring holds the [Parts] that the handlers are made of. Each handler's Wire says
// what it takes of them, for AWS, for one machine and for tests.
package wiring

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/pkg/drs"
)

// Grants hears of grants that have ended.
type Grants interface {
	GrantEnded(ctx context.Context, r *store.Registration) error
}

// Parts are what the handlers are made of. On AWS they are of package cloud, on one machine
// of package local, and in tests of whatever stands in for these.
type Parts struct {
	Config      *config.Config
	Store       store.Store
	Credentials credentials.Source
	Keys        seal.Source

	Publisher interface {
		Publish(ctx context.Context, thing, event string, payload any) error
	}
	Retry interface {
		Enqueue(ctx context.Context, e message.RuleEvent) error
	}
	Gaps interface { // nil: the retry queue knows its gaps itself
		Delay(ctx context.Context, receipt string, gap time.Duration) error
	}
	Fanout interface {
		Send(ctx context.Context, bodies []string) error
	}
	Grants  Grants // nil: nobody but the device hears of grants that have ended
	Metrics interface {
		Count(name string, n float64, dimensions ...string)
		Seconds(name string, d time.Duration, dimensions ...string)
	}

	HTTPClient *http.Client     // for LWA and DRS; nil: their own
	Now        func() time.Time // nil: time.Now

	keeper *tokens.Keeper
}

// Keeper returns the keeper of the tokens: for all handlers the same one, since what one of
// them sees of LWA spares the others a call.
func (p *Parts) Keeper() *tokens.Keeper {
	if p.keeper == nil {
		p.keeper = &tokens.Keeper{
			Store: p.Store, Credentials: p.Credentials, Keys: p.Keys, Endpoint: p.Config.Endpoint, HTTPClient: p.HTTPClient,
			Policy: p.Config.RefreshPolicy, Shards: p.Config.Shards, Now: p.Now, Ended: p.grantEnded,
		}
	}
	return p.keeper
}

// DRS returns the client for DRS.
func (p *Parts) DRS() *drs.Client {
	return &drs.Client{BaseURL: p.Config.DRSURL, HTTPClient: p.HTTPClient}
}

// grantEnded tells the device, and the maker, once. It is stored by then: who can't be
// told can ask.
func (p *Parts) grantEnded(ctx context.Context, r *store.Registration) {
	p.Metrics.Count("GrantEnded", 1, "reason", r.Reason)
	slog.InfoContext(ctx, "grant ended", "thing", r.Thing, "reason", r.Reason)
	if err := p.Publisher.Publish(ctx, r.Thing, message.EventRegistration, r.State()); err != nil {
		slog.WarnContext(ctx, "telling device that its grant has ended", "thing", r.Thing, "error", err)
	}
	if p.Grants == nil {
		return
	}
	if err := p.Grants.GrantEnded(ctx, r); err != nil {
		slog.ErrorContext(ctx, "telling the bus that a grant has ended", "thing", r.Thing, "error", err)
	}
}

// HTTP returns the handler of a function's routes.
func (p *Parts) HTTP(routes interface{ Routes(m *web.Mux) }, throttled ...string) http.Handler {
	m := new(web.Mux)
	routes.Routes(m)
	return web.Wrap(m, web.Options{AllowedOrigins: p.Config.AllowedOrigins, Now: p.Now, Throttled: throttled})
}
