package grants_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/grants"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

const appstore = "appstore::apps:readwrite"

// world is an LWA and a file, on one clock that stands.
type world struct {
	*testing.T
	lwa    *lwatest.Server
	client *lwa.Client
	path   string
	ring   *seal.Ring
	file   *grants.File
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, path: filepath.Join(t.TempDir(), "restock.db.grants")}
	w.lwa = lwatest.NewServer(t, lwatest.Options{Clock: lwatest.NewStoppedClock(time.Date(2026, 1, 8, 10, 0, 0, 0, time.UTC))})
	w.client = w.lwa.Client()
	w.ring = newRing(t)
	w.open()
	t.Cleanup(func() { _ = w.file.Close() })
	return w
}

func newRing(t *testing.T) *seal.Ring {
	t.Helper()
	text, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func (w *world) open() {
	w.Helper()
	var err error
	if w.file, err = grants.Open(w.Context(), w.path, w.ring, w.lwa.Clock().Now); err != nil {
		w.Fatal(err)
	}
}

// again is another command: it opens the file anew.
func (w *world) again() {
	w.Helper()
	if err := w.file.Close(); err != nil {
		w.Fatal(err)
	}
	w.open()
}

// signIn has a customer sign in, and adds the grant.
func (w *world) signIn(scope string) (grants.Grant, *lwa.Token) {
	w.Helper()
	verifier := lwa.NewVerifier()
	page, err := w.client.AuthCodeURL(lwa.AuthRequest{State: "s", Scopes: []string{scope}, CodeChallenge: lwa.Challenge(verifier)})
	if err != nil {
		w.Fatal(err)
	}
	back, err := w.lwa.Visit(page, lwatest.Visitor{})
	if err != nil {
		w.Fatal(err)
	}
	t, err := w.client.Exchange(w.Context(), back.Query().Get("code"), verifier)
	if err != nil {
		w.Fatal(err)
	}
	g := grants.New(grants.Customer, w.client, lwa.NA, []string{scope})
	if err := w.file.Add(w.Context(), g, t); err != nil {
		w.Fatal(err)
	}
	return g, t
}

func (w *world) token(g grants.Grant, secret lwa.Secret) grants.Access {
	w.Helper()
	a, err := w.file.Token(w.Context(), g, secret)
	if err != nil {
		w.Fatalf("Token() = %v", err)
	}
	if _, alive := w.lwa.Lookup(a.Token.Reveal()); !alive {
		w.Error("Token() returned a token that does not work")
	}
	return a
}

func (w *world) calls(grantType string, want int) {
	w.Helper()
	if got := w.lwa.Calls(lwatest.RouteToken, grantType); got != want {
		w.Errorf("%d calls with %s, want %d", got, grantType, want)
	}
}

func TestCustomer(t *testing.T) {
	w := newWorld(t)
	g, first := w.signIn("profile")
	w.again()
	if got := w.token(g, lwa.Secret{}); !got.Token.Equal(first.AccessToken) || !got.Expiry.Equal(first.Expiry) {
		t.Error("a token that is still good was replaced")
	}
	w.calls("refresh_token", 0)
	if err := w.lwa.Advance(56 * time.Minute); err != nil {
		t.Fatal(err)
	}
	if got := w.token(g, lwa.Secret{}); !got.Token.Equal(first.AccessToken) {
		t.Error("without secret a token with four minutes to live was replaced")
	}
	second := w.token(g, w.client.ClientSecret)
	if second.Token.Equal(first.AccessToken) {
		t.Error("a token with four minutes to live was not renewed")
	}
	w.again()
	if third := w.token(g, lwa.Secret{}); !third.Token.Equal(second.Token) {
		t.Error("the renewed token was not kept")
	}
	w.calls("refresh_token", 1)
}

// A token that still works is handed out, whatever LWA says.
func TestLastMinutes(t *testing.T) {
	w := newWorld(t)
	g, first := w.signIn("profile")
	app := func(secret lwa.Secret) (grants.Access, error) {
		c := *w.client
		c.ClientSecret = secret
		return w.file.ForApplication(t.Context(), &c, lwa.NA, []string{appstore})
	}
	own, err := app(w.client.ClientSecret)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.lwa.Advance(57 * time.Minute); err != nil {
		t.Fatal(err)
	}
	for name, secret := range map[string]lwa.Secret{"no secret": {}, "LWA in trouble": w.client.ClientSecret, "wrong secret": lwa.NewSecret("canary")} {
		w.again()
		if name == "LWA in trouble" {
			for range 2 {
				if err := w.lwa.Script(lwatest.Fault{Route: lwatest.RouteToken, Kind: lwatest.Unavailable}); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := w.token(g, secret); !got.Token.Equal(first.AccessToken) || !got.Expiry.Equal(first.Expiry) {
			t.Errorf("%s: another token of the customer", name)
		}
		if got, err := app(secret); err != nil || !got.Token.Equal(own.Token) || !got.Expiry.Equal(own.Expiry) {
			t.Errorf("%s: ForApplication() = %v, want the stored token", name, err)
		}
	}
	if err := w.lwa.Advance(2*time.Minute + 55*time.Second); err != nil {
		t.Fatal(err)
	}
	if _, err := w.file.Token(t.Context(), g, lwa.Secret{}); !errors.Is(err, grants.ErrSecretNeeded) {
		t.Errorf("in the last seconds Token() = %v, want ErrSecretNeeded", err)
	}
	if _, err := app(lwa.Secret{}); !errors.Is(err, grants.ErrSecretNeeded) {
		t.Errorf("in the last seconds ForApplication() = %v, want ErrSecretNeeded", err)
	}
}

func TestSetCustomerAndRemove(t *testing.T) {
	w := newWorld(t)
	g, _ := w.signIn("profile")
	if err := w.lwa.Advance(time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := w.file.SetCustomer(t.Context(), g, "amzn1.account.A"); err != nil {
		t.Fatal(err)
	}
	w.again()
	all, err := w.file.List()
	if err != nil || len(all) != 1 || all[0].CustomerID != "amzn1.account.A" || !all[0].At.Equal(w.lwa.Clock().Now().Add(-time.Minute)) {
		t.Errorf("List() = %+v, %v", all, err)
	}
	w.token(g, lwa.Secret{})
	for range 2 {
		if err := w.file.Remove(t.Context(), g); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.file.Token(t.Context(), g, lwa.Secret{}); !errors.Is(err, grants.ErrNone) {
		t.Errorf("Token() = %v, want ErrNone", err)
	}
	if all, err := w.file.List(); err != nil || len(all) != 0 {
		t.Errorf("List() = %+v, %v", all, err)
	}
	w.signIn("profile")
}

func TestPublicClientNeedsNoSecret(t *testing.T) {
	w := newWorld(t)
	const id = "amzn1.application-oa2-client.app"
	if err := w.lwa.AddClient(lwatest.Client{ID: id, RedirectURLs: []string{"https://app.example.com/"}}); err != nil {
		t.Fatal(err)
	}
	w.client.ClientID, w.client.ClientSecret, w.client.RedirectURL = id, lwa.Secret{}, "https://app.example.com/"
	g, _ := w.signIn("profile")
	if err := w.lwa.Advance(2 * time.Hour); err != nil {
		t.Fatal(err)
	}
	w.token(g, lwa.Secret{})
	w.calls("refresh_token", 1)
}

// The file tells nothing, and lists what is in it.
func TestFile(t *testing.T) {
	w := newWorld(t)
	_, tok := w.signIn("profile")
	if err := w.lwa.Advance(time.Minute); err != nil {
		t.Fatal(err)
	}
	w.signIn("postal_code")
	app, err := w.file.ForApplication(t.Context(), w.client, lwa.NA, []string{appstore})
	if err != nil {
		t.Fatal(err)
	}
	all, err := w.file.List()
	if err != nil || len(all) != 3 || all[2].Scopes[0] != "profile" || all[2].Kind != grants.Customer {
		t.Errorf("List() = %+v, %v; want three, the newest first", all, err)
	}
	text, err := os.ReadFile(w.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []lwa.Secret{tok.AccessToken, tok.RefreshToken, app.Token, w.client.ClientSecret} {
		if bytes.Contains(text, []byte(secret.Reveal())) {
			t.Error("the file holds a secret in plain text")
		}
	}
	if info, err := os.Stat(w.path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v; want mode 0600", info, err)
	}
}

func TestRevoked(t *testing.T) {
	w := newWorld(t)
	g, _ := w.signIn("profile")
	if _, err := w.lwa.Revoke(lwatest.Match{}); err != nil {
		t.Fatal(err)
	}
	if err := w.lwa.Advance(time.Hour); err != nil {
		t.Fatal(err)
	}
	var ended *tokens.GrantEndedError
	for range 2 {
		if _, err := w.file.Token(t.Context(), g, w.client.ClientSecret); !errors.As(err, &ended) || ended.Reason != store.ReasonConsentWithdrawn {
			t.Errorf("Token() = %v, want the end of the grant", err)
		}
		w.again()
	}
	w.calls("refresh_token", 1) // the end is remembered
	g, _ = w.signIn("profile")
	w.token(g, lwa.Secret{}) // and a new sign-in heals it
}

func TestApplication(t *testing.T) {
	w := newWorld(t)
	get := func(scope string) grants.Access {
		t.Helper()
		a, err := w.file.ForApplication(t.Context(), w.client, lwa.NA, []string{scope})
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	first := get(appstore)
	w.again()
	if again := get(appstore); !again.Token.Equal(first.Token) || !again.Expiry.Equal(first.Expiry) {
		t.Error("a token that is still good was replaced")
	}
	w.calls("client_credentials", 1)
	if other := get("adx_reporting::appstore:marketer"); other.Token.Equal(first.Token) {
		t.Error("two scopes have one token")
	}
	if err := w.lwa.Advance(55*time.Minute + time.Second); err != nil {
		t.Fatal(err)
	}
	if next := get(appstore); next.Token.Equal(first.Token) {
		t.Error("a token that is about to expire was handed out")
	}
	w.calls("client_credentials", 3)
	if _, err := w.file.ForApplication(t.Context(), w.client, lwa.NA, []string{"no:such"}); !errors.Is(err, lwa.InvalidScope) {
		t.Errorf("an unknown scope: %v", err)
	}
}

func TestLostKeys(t *testing.T) {
	w := newWorld(t)
	g, _ := w.signIn("profile")
	if _, err := w.file.ForApplication(t.Context(), w.client, lwa.NA, []string{appstore}); err != nil {
		t.Fatal(err)
	}
	w.ring = newRing(t)
	w.again()
	var sealed *tokens.SealError
	if _, err := w.file.Token(t.Context(), g, w.client.ClientSecret); !errors.As(err, &sealed) {
		t.Errorf("Token() = %v, want a SealError", err)
	}
	if _, err := w.file.ForApplication(t.Context(), w.client, lwa.NA, []string{appstore}); err != nil {
		t.Errorf("ForApplication() = %v, want a new token", err)
	}
}

func TestOthersFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(path, bytes.Repeat([]byte("not ours "), 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := grants.Open(t.Context(), path, newRing(t), nil); err == nil {
		_ = f.Close()
		t.Error("a file of another program was opened")
	}
	w := newWorld(t)
	if _, err := w.file.Token(t.Context(), grants.New(grants.Customer, w.client, lwa.NA, []string{"profile"}), lwa.Secret{}); !errors.Is(err, grants.ErrNone) {
		t.Errorf("Token() = %v, want ErrNone", err)
	}
}

// Whoever waits for another command can stop it.
func TestOpenEnds(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if f, err := grants.Open(ctx, w.path, w.ring, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Open() = %v, %v, want context.Canceled", f, err)
	}
	path := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(path, bytes.Repeat([]byte("not ours "), 2000), 0o600); err != nil {
		t.Fatal(err)
	}
	if f, err := grants.Open(ctx, path, w.ring, nil); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("Open() = %v, %v, of what can't be opened; waiting for it is in vain", f, err)
	}
}

func TestCovers(t *testing.T) {
	g := grants.New(grants.Customer, new(lwa.Client), lwa.NA, []string{"profile", "postal_code", "profile"})
	if !g.Covers([]string{"postal_code", "profile"}) || g.Covers([]string{"profile"}) {
		t.Errorf("Covers is wrong for %v", g.Scopes)
	}
}
