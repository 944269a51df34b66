package callback

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/restock-dev/restock/internal/pairing"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/pkg/lwa"
)

const scope = "dash:replenish"

// deviceScope is the scope data of one device.
// Source: developer.amazon.com/docs/dash/lwa-web-api.html.
type deviceScope struct {
	DeviceModel          string `json:"device_model"`
	Serial               string `json:"serial"`
	IsTestDevice         bool   `json:"is_test_device,omitempty"`
	ShouldIncludeNonLive bool   `json:"should_include_non_live,omitempty"`
}

func (h *Handler) scopeData(d thing.Device) map[string]deviceScope {
	return map[string]deviceScope{scope: {
		DeviceModel: d.Model, Serial: d.Serial, IsTestDevice: h.TestDevices, ShouldIncludeNonLive: h.NonLive,
	}}
}

// login sends the browser to Amazon, on behalf of a device or of a pairing. One that
// another site sent here sees the page of the device first.
func (h *Handler) login(w http.ResponseWriter, r *http.Request) (*page, error) {
	q, ok := query(r, "device_model", "serial", "pairing", "moved")
	if !ok {
		return badLink(), nil
	}
	d, p, bad, err := h.wanted(r.Context(), q)
	if bad != nil || err != nil {
		return bad, err
	}
	if sentHere(r) {
		q.Del("moved")
		redirect(w, "./?"+q.Encode())
		return nil, nil
	}
	if h.elsewhere(r) && !q.Has("moved") {
		h.toOurHost(w, q)
		return nil, nil
	}
	l := &store.Login{Thing: d.Name()}
	if p != nil {
		l.Pairing = p.ID
	}
	return nil, h.toAmazon(w, r, l, d)
}

// sentHere reports whether another site made the browser come, as browsers say since
// 2023. Amazon may ask nothing of a customer who has agreed before: then a link to a
// stranger's pairing, followed unseen, would hand the device to that stranger.
// A browser that was moved here from another host name of ours counts as sent, too:
// the button of the page, which never redirects, takes it on.
func sentHere(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin": // an old browser; our own page
		return false
	case "none": // typed, scanned, or followed in a mail: a pairing's link leads to its page
		return r.URL.Query().Has("pairing")
	}
	return true
}

// wanted returns the device that a request names, and the pairing where it names that.
// bad is the page of a request that names none.
func (h *Handler) wanted(ctx context.Context, q url.Values) (d thing.Device, p *store.Pairing, bad *page, err error) {
	if !q.Has("pairing") {
		if d, err = thing.New(q.Get("device_model"), q.Get("serial")); err != nil {
			return d, nil, formPage(http.StatusBadRequest, q), nil
		}
		return d, nil, nil, nil
	}
	p, bad, err = h.waiting(ctx, q.Get("pairing"))
	if bad != nil || err != nil {
		return d, nil, bad, err
	}
	if d, err = thing.Parse(p.Thing); err != nil {
		return d, nil, nil, fmt.Errorf("reading pairing: %w", err)
	}
	return d, p, nil, nil
}

// waiting returns the pairing of a link that still waits, or the page that says why not.
func (h *Handler) waiting(ctx context.Context, id string) (*store.Pairing, *page, error) {
	if !isPairingID(id) {
		return nil, badLink(), nil
	}
	p, err := pairing.Find(ctx, h.Store, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, expiredLink(), nil
	case err != nil:
		return nil, nil, err
	case p.Status != store.PairingWaiting:
		return nil, usedLink(p), nil
	}
	return p, nil, nil
}

// elsewhere reports whether the browser is on another host name than the one that
// Amazon will send it back to, where a cookie of ours would not go along.
func (h *Handler) elsewhere(r *http.Request) bool {
	asked := url.URL{Host: r.Host}
	return !strings.EqualFold(asked.Hostname(), h.redirect.Hostname())
}

// toOurHost sends the browser to /login on the right host, once: behind a proxy that
// rewrites the host name it would go on for ever.
func (h *Handler) toOurHost(w http.ResponseWriter, q url.Values) {
	q.Set("moved", "1")
	u := h.redirect.ResolveReference(&url.URL{Path: "login", RawQuery: q.Encode()})
	redirect(w, u.String())
}

// path returns the path of a page of ours, which lies beside the callback.
func (h *Handler) path(name string) string {
	return h.redirect.ResolveReference(&url.URL{Path: name}).EscapedPath()
}

// toAmazon begins l in this browser and sends it to Amazon.
func (h *Handler) toAmazon(w http.ResponseWriter, r *http.Request, l *store.Login, d thing.Device) error {
	a, err := h.prepare(r.Context(), l, d, true)
	if err != nil {
		return err
	}
	secret := random()
	l.CookieHash = hash(secret)
	if err := h.Store.Put(r.Context(), l); err != nil {
		return fmt.Errorf("beginning login of %s: %w", l.Thing, err)
	}
	h.setCookies(w, r, l, secret)
	redirect(w, a.url)
	return nil
}

// authorization is what the browser has to bring to Amazon.
type authorization struct {
	state, challenge, url string // challenge "": no PKCE
}

// prepare fills l with a new state and, with pkce, a new verifier. The caller stores it.
func (h *Handler) prepare(ctx context.Context, l *store.Login, d thing.Device, pkce bool) (*authorization, error) {
	creds, err := h.credentials(ctx)
	if err != nil {
		return nil, err
	}
	a := &authorization{state: random()}
	if pkce {
		verifier := lwa.NewVerifier()
		a.challenge = lwa.Challenge(verifier)
		ring, err := h.ring(ctx)
		if err != nil {
			return nil, err
		}
		if l.Verifier, err = ring.Seal(l.Thing, seal.FieldVerifier, verifier.Reveal()); err != nil {
			return nil, fmt.Errorf("sealing verifier: %w", err)
		}
	}
	a.url, err = h.client(creds.ClientID, lwa.Secret{}, h.RedirectURL).AuthCodeURL(lwa.AuthRequest{
		State: a.state, Scopes: []string{scope}, ScopeData: h.scopeData(d), CodeChallenge: a.challenge,
	})
	l.StateHash, l.ExpiresAt = hash(a.state), h.now().Add(store.LoginTTL)
	return a, err
}

// random returns 256 random bits.
func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return base64.RawURLEncoding.EncodeToString(b)
}

// hash is what is stored of a state or a cookie, both too random to be guessed from it.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
