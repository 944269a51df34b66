// Package callback ties devices to customers: the pages that a customer sees, and the
// routes by which devices, companion apps and makers' sites start or finish a pairing.
//
// There are three ways to a registration, and one that finishes all of them:
//
//	GET /login → Amazon → GET /callback      a customer in a browser, or at a pairing's link
//	POST /v1/authorizations → GET /callback  a maker's own site with Amazon's SDK
//	POST /v1/registrations                   an app or device that made the PKCE verifier
//
// Each ends in an authorization code. The code is sent to LWA once: it may be used up although
// no answer came. Before it is sent, the login that it answers is marked as used, so that no
// second request can send it; a registration that is asked for again has such a login, too, and
// is sent again only where nobody knows what came of the first (see registerOnce). What comes back is
// stored under the rules of ownership (see claim), and the device is told.
//
// Counted are SignIn, by outcome, for each code that came back from Amazon, and SecretsTrouble
// with the cause credentials where LWA knows no version of our client secret.
package callback

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/pairing"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/lwa"
)

// OpenCalls are the routes that need no key, for [web.Options].Throttled.
var OpenCalls = []string{"POST /v1/authorizations", "POST /v1/registrations", "POST /v1/pairings"}

// Store is what pairing needs of the store.
type Store interface {
	Get(ctx context.Context, rec store.Record) error
	Put(ctx context.Context, rec store.Record) error
}

// Keeper seals tokens into registrations and hands them out.
type Keeper interface {
	Seal(ctx context.Context, r *store.Registration, t *lwa.Token) error
	AccessToken(ctx context.Context, r *store.Registration) (lwa.Secret, error)
}

// Subscriptions reads a device's slots at DRS.
type Subscriptions interface {
	Subscriptions(ctx context.Context, accessToken string) ([]drs.Slot, error)
}

// Publisher tells a device of an event, one of message.Event….
type Publisher interface {
	Publish(ctx context.Context, thing, event string, payload any) error
}

// Metrics counts. Dimensions are names and values in turn.
type Metrics interface {
	Count(name string, n float64, dimensions ...string)
}

// Handler serves the pages and routes of pairing. Make one with [New].
type Handler struct {
	Store       Store
	Keeper      Keeper
	Credentials credentials.Source
	Keys        seal.Source
	DRS         Subscriptions
	Publisher   Publisher

	Endpoint      func(lwa.Region) lwa.Endpoint // nil: Amazon's
	Region        lwa.Region                    // "": NA
	RedirectURL   string                        // our callback, as registered with Amazon
	PublicClients []string                      // client IDs of companion apps
	TestDevices   bool                          // pair as test devices, whose orders are not real
	NonLive       bool                          // allow device models that are not live yet

	Metrics    Metrics          // nil: nobody counts
	HTTPClient *http.Client     // for LWA; nil: one with a timeout
	Now        func() time.Time // nil: time.Now

	redirect *url.URL
}

// New returns h, ready to serve. The error names a redirect URL that can't be right.
func New(h Handler) (*Handler, error) {
	u, err := pairing.ParseRedirectURL(h.RedirectURL)
	if err != nil {
		return nil, err
	}
	h.redirect = u
	if h.Region == "" {
		h.Region = lwa.NA
	}
	if h.Endpoint == nil {
		h.Endpoint = lwa.Region.Endpoint
	}
	if h.Now == nil {
		h.Now = time.Now
	}
	return &h, nil
}

// Routes adds the routes to m.
func (h *Handler) Routes(m *web.Mux) {
	m.Handle("GET /{$}", h.pages(h.start))
	m.Handle("GET /login", h.pages(h.login))
	m.Handle("GET /callback", h.pages(h.callback))
	m.Handle("POST /v1/authorizations", web.Func(h.authorizations))
	m.Handle("POST /v1/registrations", web.Func(h.registrations))
	m.Handle("POST /v1/pairings", web.Func(h.startPairing))
	m.Handle("GET /v1/pairings/{id}", web.Func(h.pairingStatus))
}

// now returns the time as a store keeps it.
func (h *Handler) now() time.Time { return h.Now().UTC().Truncate(time.Millisecond) }

// client returns an LWA client for one exchange or authorization request.
func (h *Handler) client(id string, secret lwa.Secret, redirectURL string) *lwa.Client {
	return &lwa.Client{
		ClientID: id, ClientSecret: secret, RedirectURL: redirectURL,
		Endpoint: h.Endpoint(h.Region), HTTPClient: h.HTTPClient, Now: h.Now,
	}
}

// errSecrets: the credentials or the key ring can't be read now.
var errSecrets = errors.New("secrets can't be read")

func (h *Handler) credentials(ctx context.Context) (credentials.LWA, error) {
	c, err := h.Credentials.Current(ctx)
	if err != nil {
		return c, fmt.Errorf("reading LWA credentials: %w: %w", errSecrets, err)
	}
	return c, nil
}

func (h *Handler) ring(ctx context.Context) (*seal.Ring, error) {
	r, err := h.Keys.Ring(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading key ring: %w: %w", errSecrets, err)
	}
	return r, nil
}
