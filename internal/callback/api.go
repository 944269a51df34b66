package callback

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/restock-dev/restock/internal/devicekey"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/pairing"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/internal/web"
	"github.com/restock-dev/restock/pkg/lwa"
)

// device is how a body names a device.
type device struct {
	DeviceModel string `json:"device_model"`
	Serial      string `json:"serial"`
}

func (d device) check() (thing.Device, error) {
	found, err := thing.New(d.DeviceModel, d.Serial)
	switch {
	case err == nil:
		return found, nil
	case !deviceName(d.DeviceModel):
		return found, web.BadField("device_model", err.Error())
	}
	return found, web.BadField("serial", err.Error())
}

// deviceName reports whether s alone would do as a device model or a serial.
func deviceName(s string) bool {
	_, err := thing.New(s, "0")
	return err == nil || errors.Is(err, thing.ErrTooLong)
}

// authorizations prepares a login for a maker's own site or app, which sends the
// customer to Amazon itself.
func (h *Handler) authorizations(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		device
		PKCE *bool `json:"pkce"` // absent: true
	}
	if err := web.ReadJSON(w, r, &body); err != nil {
		return err
	}
	d, err := body.check()
	if err != nil {
		return err
	}
	l := &store.Login{Thing: d.Name()}
	a, err := h.prepare(r.Context(), l, d, body.PKCE == nil || *body.PKCE)
	if err != nil {
		return unavailable(err)
	}
	if err := h.Store.Put(r.Context(), l); err != nil {
		return unavailable(fmt.Errorf("preparing login of %s: %w", l.Thing, err))
	}
	answer := struct {
		State               string                 `json:"state"`
		Scope               string                 `json:"scope"`
		ScopeData           map[string]deviceScope `json:"scope_data"`
		CodeChallenge       string                 `json:"code_challenge,omitempty"`
		CodeChallengeMethod string                 `json:"code_challenge_method,omitempty"`
		RedirectURI         string                 `json:"redirect_uri"`
		AuthorizeURL        string                 `json:"authorize_url"`
		ExpiresAt           time.Time              `json:"expires_at"`
	}{a.state, scope, h.scopeData(d), a.challenge, "", h.RedirectURL, a.url, l.ExpiresAt}
	if a.challenge != "" {
		answer.CodeChallengeMethod = "S256"
	}
	return web.WriteJSON(w, http.StatusCreated, answer)
}

// registrations finishes a sign-in for the app or device that made its PKCE verifier.
func (h *Handler) registrations(w http.ResponseWriter, r *http.Request) error {
	var body registration
	if err := web.ReadJSON(w, r, &body); err != nil {
		return err
	}
	s, err := h.signInBy(r.Context(), &body)
	if err != nil {
		return err
	}
	key := devicekey.New(s.device.Name())
	s.keyHash = devicekey.Hash(key)
	// An app that hangs up must not leave the sign-in half done.
	ctx, cancel := outlasting(r.Context())
	defer cancel()
	reg, err := h.registerOnce(ctx, s)
	if err != nil {
		return problemOf(err)
	}
	state := reg.State()
	return web.WriteJSON(w, http.StatusCreated, struct {
		Thing     string         `json:"thing"`
		DeviceKey string         `json:"device_key"`
		Status    string         `json:"status"`
		Slots     []message.Slot `json:"slots"`
		Renewable bool           `json:"renewable"`
	}{state.Thing, key, state.Status, state.Slots, state.Renewable})
}

// registration is the body of POST /v1/registrations.
type registration struct {
	device
	Code         string `json:"code"`
	RedirectURI  string `json:"redirect_uri"`
	CodeVerifier string `json:"code_verifier"`
	ClientID     string `json:"client_id"` // "": ours
}

// signInBy checks body and returns its sign-in, which is exchanged without a secret.
func (h *Handler) signInBy(ctx context.Context, body *registration) (*signIn, error) {
	d, err := body.check()
	switch {
	case err != nil:
		return nil, err
	case !isCode(body.Code):
		return nil, web.BadField("code", "code must be the authorization code, as Amazon sent it to the redirect URI")
	case body.CodeVerifier == "":
		return nil, web.BadField("code_verifier", "code_verifier is missing: with neither it nor a secret there is no refresh token. "+
			"Send the PKCE verifier that the sign-in began with; one that has none of yours begins with POST /v1/authorizations")
	case !isVerifier(body.CodeVerifier):
		return nil, web.BadField("code_verifier", "code_verifier must be 43 to 128 of A-Z a-z 0-9 - . _ ~")
	case !redirectURI(body.RedirectURI):
		return nil, web.BadField("redirect_uri", "redirect_uri must be the one that the code was asked for with: "+
			"https, http on loopback, or an app's own scheme")
	}
	creds, err := h.credentials(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	s := &signIn{
		device: d, code: body.Code, verifier: lwa.NewSecret(body.CodeVerifier), redirectURL: body.RedirectURI,
		clientID: creds.ClientID,
	}
	if body.ClientID != "" && body.ClientID != creds.ClientID {
		if !slices.Contains(h.PublicClients, body.ClientID) {
			return nil, web.BadField("client_id", "client_id is not one that this service takes; leave it out, "+
				"or list it in RESTOCK_LWA_PUBLIC_CLIENTS")
		}
		s.clientID, s.public = body.ClientID, true
	}
	return s, nil
}

var appScheme = regexp.MustCompile(`^[a-z][a-z0-9+.-]*$`)

// redirectURI reports whether s can be a redirect URL of an app: https, http on this
// machine, or a scheme of its own, such as amzn://com.example.app. It is not followed.
func redirectURI(s string) bool {
	u, err := url.Parse(s)
	if err != nil || s == "" || len(s) > maxParam || !plain(s) || u.Fragment != "" || u.User != nil {
		return false
	}
	switch u.Scheme {
	case "https":
		return u.Hostname() != ""
	case "http":
		return pairing.IsLoopback(u.Hostname())
	}
	return len(u.Scheme) <= 128 && appScheme.MatchString(u.Scheme) && u.Host+u.Path != ""
}
