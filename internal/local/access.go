package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/loopback"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// Access is an access token, as its operator may see it on the admin socket, which is
// private to whoever could open the data file as well.
type Access struct {
	Token  lwa.Secret
	Expiry time.Time
}

// SandboxClient is the client that the sandbox of a stack knows, for sign-ins from a
// terminal.
type SandboxClient struct {
	ClientID     string
	ClientSecret lwa.Secret
	APIURL       string
	Now          time.Time // by the sandbox's clock
}

// On the wire, where a Secret would not show itself.
type (
	wireAccess struct {
		Token  string    `json:"access_token"`
		Expiry time.Time `json:"expiry"`
	}
	wireClient struct {
		ID     string    `json:"client_id"`
		Secret string    `json:"client_secret"`
		APIURL string    `json:"api_url"`
		Now    time.Time `json:"now"`
	}
)

// Codes of a [RefusedError] about a token: only a new sign-in helps.
const (
	CodeNotRegistered = string(store.NotRegistered)
	CodeGrantEnded    = string(store.GrantEnded)
)

// accessRoutes answer with what is secret, so they are no GET.
func accessRoutes(m *web.Mux, a administered) {
	m.Handle("POST /devices/{thing}/token", web.Func(func(w http.ResponseWriter, r *http.Request) error {
		got, err := a.AccessToken(r.Context(), r.PathValue("thing"))
		if err != nil {
			return tokenProblem(err)
		}
		return web.WriteJSON(w, http.StatusOK, wireAccess{got.Token.Reveal(), got.Expiry})
	}))
	m.Handle("POST /sandbox/client", web.Func(func(w http.ResponseWriter, r *http.Request) error {
		c, err := a.SandboxClient(r.URL.Query().Get("redirect_url"))
		if err != nil {
			return web.New(web.CodeNotFound, err.Error())
		}
		return web.WriteJSON(w, http.StatusOK, wireClient{c.ClientID, c.ClientSecret.Reveal(), c.APIURL, c.Now})
	}))
}

// tokenProblem is why there is no token, for the operator.
func tokenProblem(err error) error {
	var ended *tokens.GrantEndedError
	var unavailable *tokens.UnavailableError
	switch {
	case errors.Is(err, tokens.ErrNotRegistered):
		return &web.Problem{Status: http.StatusNotFound, Code: CodeNotRegistered, Detail: "the device is not paired; see: restock devices list"}
	case errors.As(err, &ended):
		return &web.Problem{Status: http.StatusConflict, Code: CodeGrantEnded, Detail: "the device's grant has ended (" + ended.Reason + "); it must be paired again"}
	case errors.As(err, &unavailable):
		return &web.Problem{Status: http.StatusTooManyRequests, Code: web.CodeUnavailable, Detail: err.Error()}
	}
	return &web.Problem{Status: http.StatusUnprocessableEntity, Code: web.CodeInternal, Detail: err.Error()}
}

// AccessToken returns a valid access token of a device.
//
// Errors: those of [tokens.Keeper.AccessToken].
func (s *Stack) AccessToken(ctx context.Context, thing string) (Access, error) {
	r, err := registration(ctx, s.store, thing)
	if err != nil {
		return Access{}, err
	}
	return accessToken(ctx, r, s.keeper)
}

func registration(ctx context.Context, records tokens.Store, thing string) (*store.Registration, error) {
	r := &store.Registration{Thing: thing}
	err := records.Get(ctx, r)
	if errors.Is(err, store.ErrNotFound) {
		err = tokens.ErrNotRegistered
	}
	return r, err
}

func accessToken(ctx context.Context, r *store.Registration, k *tokens.Keeper) (Access, error) {
	token, err := k.AccessToken(ctx, r)
	if err != nil {
		return Access{}, err
	}
	return Access{token, r.Expiry.UTC()}, nil
}

// OpenAccess is [Stack.AccessToken] for a data file that no process owns. The sandbox is
// not there to renew a token of its own.
func OpenAccess(ctx context.Context, cfg *config.Config, thing string) (Access, error) {
	s := &Stack{cfg: *cfg, clock: new(lwatest.Clock)}
	if _, err := os.Stat(cfg.Data); errors.Is(err, fs.ErrNotExist) {
		return Access{}, fmt.Errorf("%w with the data file %s, and there is no such file; start one with: restock up", ErrNotRunning, cfg.Data)
	}
	var err error
	if s.store, s.ring, err = openData(cfg.Data, s.clock.Now); err != nil {
		return Access{}, err
	}
	defer s.close()
	if s.creds, err = s.credentials(); err != nil {
		return Access{}, err
	}
	r, err := registration(ctx, s.store, thing)
	if err != nil {
		return Access{}, err
	}
	if cfg.LWAURL == "" && r.Status == store.Active && r.Expiry.Sub(s.clock.Now()) <= renewBefore {
		return Access{}, fmt.Errorf("the token has to be renewed, and the sandbox that does it is not running; start it with: restock up --data %s", cfg.Data)
	}
	return accessToken(ctx, r, &tokens.Keeper{
		Store: s.store, Credentials: credentials.Static(s.creds), Keys: seal.Static(s.ring), Policy: tokens.OnUse,
		Shards: cfg.Shards, Endpoint: cfg.Endpoint, Margin: renewBefore,
	})
}

// renewBefore is how long a token works at least that is handed out of a data file.
const renewBefore = time.Minute

// maxLogins is how many redirect URLs of sign-ins from a terminal the sandbox remembers.
const maxLogins = 16

// SandboxClient returns the sandbox's client, which from now on may use redirectURL, one
// on loopback; "" is none.
func (s *Stack) SandboxClient(redirectURL string) (SandboxClient, error) {
	if s.box == nil {
		return SandboxClient{}, errors.New("this restock up has no sandbox: name the client of the LWA security profile with --client-id")
	}
	if redirectURL != "" {
		if err := s.allowLogin(redirectURL); err != nil {
			return SandboxClient{}, err
		}
	}
	return SandboxClient{s.creds.ClientID, s.creds.ClientSecret, s.sandboxURL(), s.clock.Now()}, nil
}

func (s *Stack) allowLogin(redirectURL string) error {
	if err := loopback.Check(redirectURL); err != nil {
		return fmt.Errorf("the redirect URL %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.logins, redirectURL) {
		return nil
	}
	s.logins = append(s.logins[max(0, len(s.logins)-maxLogins+1):], redirectURL)
	return s.box.LWA.AddClient(s.sandboxClient(s.logins...))
}

// AskAccessToken asks the process that owns a data file for a device's access token.
//
// Errors: [ErrNotRunning], or a [*RefusedError].
func AskAccessToken(ctx context.Context, data, thing string) (Access, error) {
	var got wireAccess
	err := ask(ctx, data, http.MethodPost, "/devices/"+url.PathEscape(thing)+"/token", &got)
	return Access{lwa.NewSecret(got.Token), got.Expiry}, err
}

// AskSandboxClient asks the process that owns a data file for its sandbox's client, which
// may then use redirectURL; "" is none.
//
// Errors: [ErrNotRunning], or a [*RefusedError].
func AskSandboxClient(ctx context.Context, data, redirectURL string) (SandboxClient, error) {
	var got wireClient
	err := ask(ctx, data, http.MethodPost, "/sandbox/client?"+url.Values{"redirect_url": {redirectURL}}.Encode(), &got)
	return SandboxClient{got.ID, lwa.NewSecret(got.Secret), got.APIURL, got.Now}, err
}
