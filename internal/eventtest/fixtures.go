package eventtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/restock-dev/restock/internal/devicekey"
	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
	"github.com/restock-dev/restock/pkg/drs/drstest"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// What the event files speak of. All of it is invented.
const (
	redirectURL = "https://pair.example.com/callback"
	appRedirect = "amzn://com.example.app"
	clientID    = "amzn1.application-oa2-client.e5e0"
	keyRing     = `{"primary":"k1","k1":"the-key-ring-of-the-events-0123456789-0123456789-0123456789"}`

	paired  = "ACME-VAC-1::SN0001" // the first customer's, with a device key
	signing = "ACME-VAC-1::SN0002" // whose customer comes back from Amazon
	app     = "ACME-VAC-1::SN0003" // paired by a companion app
	waiting = "ACME-VAC-1::SN0004" // with a pairing that waits

	customerOne = "amzn1.account.AEXAMPLEONE"
	customerTwo = "amzn1.account.AEXAMPLETWO"

	state      = "event-state-0000000000000000000000000000000"
	ordered    = "amzn1.dash.v2.o.EVENT0001"
	orderedFor = "event-press-0001"
)

// secrets are the values that may be in no log, error, answer or message.
var secrets = map[string]string{ //nolint:gosec // G101: all invented
	"client secret":         "amzn1.oa2-cs.v1.event-client-secret",
	"key ring":              "the-key-ring-of-the-events",
	"authorization code":    "ANeventCodeOfTheBrowser00",
	"code of the app":       "ANeventCodeOfTheApp000000",
	"verifier":              "event-verifier-000000000000000000000000000000000",
	"access token":          "Atza|event-access-token-of-SN0001",
	"refresh token":         "Atzr|event-refresh-token-of-SN0001",
	"login cookie":          "event-cookie-00000000000000000000000000000000",
	"device key":            "QUNNRS1WQUMtMTo6U04wMDAx.ERERERERERERERERERERERERERERERERERERERERERE",
	"device key, unpaired":  "QUNNRS1WQUMtMTo6U04wMDA0.REREREREREREREREREREREREREREREREREREREREREQ",
	"device key, never was": "QUNNRS1WQUMtMTo6U04wMDAx.IiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiI",
}

// Client is the LWA client that the fixtures are of.
func Client() lwatest.Client {
	return lwatest.Client{
		ID: clientID, Name: "Events", Secret: lwa.NewSecret(secrets["client secret"]), RedirectURLs: []string{redirectURL, appRedirect},
	}
}

// Fixtures are where what is there before an event is put, and looked at afterwards. All
// but Secrets are required.
type Fixtures struct {
	Now    time.Time // in which the event happens
	Store  store.Store
	Ring   *seal.Ring
	Shards int // of the due index
	Amazon Amazon
	// Secrets are values, by what they are, that may be in no log, error, answer or
	// message either.
	Secrets map[string]string
}

// Give makes something true before the event:
//
//	paired        SN0001 is the first customer's, and its access token is good for 50 minutes
//	due           as paired, but the sweep should refresh the token
//	stale         as paired, but the access token is used up
//	stale-unknown as stale, but Amazon has not said whose device it is
//	ended         as paired, but the grant has ended
//	deregistered  as paired, but deregistered
//	revoked       the first customer has withdrawn consent, at Amazon
//	login         the browser with the cookie has a login for SN0002 under way, and the first customer agreed
//	login-used    as login, but it is used, and SN0002 is paired by it
//	login-taken   as login, but for SN0001, and it was the second customer who agreed
//	app           a companion app has a code for SN0003
//	pairing       SN0004 waits for its customer
//	ordered       SN0001 has ordered a filter, with the ID event-press-0001
//	order         DRS has told of an order of SN0001
//	lwa-down, drs-down              Amazon in trouble
//	lwa-unanswered, drs-unanswered  Amazon does its work, but its answer gets lost
func (f *Fixtures) Give(ctx context.Context, name string) error {
	give, ok := map[string]func(context.Context) error{
		"paired": func(ctx context.Context) error { return f.givePaired(ctx, func(*store.Registration) {}) },
		"due": func(ctx context.Context) error {
			return f.givePaired(ctx, func(r *store.Registration) { r.Expiry, r.DueAt = f.Now.Add(9*time.Minute), f.Now.Add(-time.Minute) })
		},
		"stale": func(ctx context.Context) error {
			return f.givePaired(ctx, func(r *store.Registration) { r.Expiry = f.Now.Add(-time.Hour) })
		},
		"stale-unknown": func(ctx context.Context) error {
			return f.givePaired(ctx, func(r *store.Registration) { r.Expiry, r.CustomerID = f.Now.Add(-time.Hour), "" })
		},
		"ended": func(ctx context.Context) error {
			return f.givePaired(ctx, func(r *store.Registration) {
				r.End(store.GrantEnded, store.ReasonConsentWithdrawn, f.Now.Add(-time.Hour))
			})
		},
		"deregistered": func(ctx context.Context) error {
			return f.givePaired(ctx, func(r *store.Registration) {
				r.End(store.Deregistered, store.ReasonDeregistered, f.Now.Add(-time.Hour))
			})
		},
		"revoked":     func(ctx context.Context) error { return f.Amazon.Revoke(ctx, paired) },
		"login":       func(ctx context.Context) error { return f.giveLogin(ctx, signing, customerOne) },
		"login-taken": func(ctx context.Context) error { return f.giveLogin(ctx, paired, customerTwo) },
		"login-used":  f.giveUsedLogin,
		"app": func(ctx context.Context) error {
			return f.giveGrant(ctx, app, customerOne, appRedirect, "code of the app", false)
		},
		"pairing":        f.givePairing,
		"ordered":        f.giveOrdered,
		"order":          f.giveOrder,
		"lwa-down":       func(ctx context.Context) error { return f.lwaFails(ctx, lwatest.Unavailable) },
		"lwa-unanswered": func(ctx context.Context) error { return f.lwaFails(ctx, lwatest.DropAfter) },
		"drs-down":       func(ctx context.Context) error { return f.drsFails(ctx, drstest.Unavailable) },
		"drs-unanswered": func(ctx context.Context) error { return f.drsFails(ctx, drstest.DropAfter) },
	}[name]
	if !ok {
		return fmt.Errorf("nobody knows how to give that")
	}
	return give(ctx)
}

func (f *Fixtures) givePaired(ctx context.Context, change func(*store.Registration)) error {
	if err := f.giveGrant(ctx, paired, customerOne, redirectURL, "", true); err != nil {
		return err
	}
	r := &store.Registration{
		Thing: paired, DeviceModel: "ACME-VAC-1", Serial: "SN0001", Status: store.Active, StatusAt: f.Now.Add(-24 * time.Hour),
		Grant: "event-grant", Region: string(lwa.NA), ClientID: clientID, CustomerID: customerOne, KeyHash: devicekey.Hash(secrets["device key"]),
		Expiry: f.Now.Add(50 * time.Minute), DueShard: store.Shard(paired, f.Shards), DueAt: f.Now.Add(37 * time.Minute),
		Slots: []message.Slot{{Slot: "filter", Subscribed: true}, {Slot: "side-brush"}},
	}
	var err error
	if r.AccessToken, err = f.Ring.Seal(paired, seal.FieldAccessToken, secrets["access token"]); err != nil {
		return err
	}
	if r.RefreshToken, err = f.Ring.Seal(paired, seal.FieldRefreshToken, secrets["refresh token"]); err != nil {
		return err
	}
	change(r)
	return f.Store.Put(ctx, r)
}

func (f *Fixtures) giveLogin(ctx context.Context, name, customer string) error {
	if err := f.giveGrant(ctx, name, customer, redirectURL, "authorization code", false); err != nil {
		return err
	}
	verifier, err := f.Ring.Seal(name, seal.FieldVerifier, secrets["verifier"])
	if err != nil {
		return err
	}
	return f.Store.Put(ctx, &store.Login{
		Meta: store.Meta{ExpiresAt: f.Now.Add(9 * time.Minute)}, StateHash: hash(state), Thing: name,
		CookieHash: hash(secrets["login cookie"]), Verifier: verifier,
	})
}

func (f *Fixtures) giveUsedLogin(ctx context.Context) error {
	if err := f.giveLogin(ctx, signing, customerOne); err != nil {
		return err
	}
	l := &store.Login{StateHash: hash(state)}
	if err := f.Store.Get(ctx, l); err != nil {
		return err
	}
	l.UsedAt, l.Verifier, l.Outcome = f.Now.Add(-time.Minute), "", "paired"
	if err := f.Store.Put(ctx, l); err != nil {
		return err
	}
	return f.Store.Put(ctx, &store.Registration{
		Thing: signing, DeviceModel: "ACME-VAC-1", Serial: "SN0002", Status: store.Active, StatusAt: f.Now.Add(-time.Minute),
		Grant: l.StateHash[:32], Region: string(lwa.NA), ClientID: clientID, CustomerID: customerOne, Expiry: f.Now.Add(time.Hour),
	})
}

func (f *Fixtures) givePairing(ctx context.Context) error {
	key := secrets["device key, unpaired"]
	return f.Store.Put(ctx, &store.Pairing{
		Meta: store.Meta{ExpiresAt: f.Now.Add(14 * time.Minute)}, ID: devicekey.PairingID(key), Thing: waiting,
		KeyHash: devicekey.Hash(key), Status: store.PairingWaiting,
	})
}

func (f *Fixtures) giveOrdered(ctx context.Context) error {
	return f.Store.Put(ctx, &store.Message{
		Meta: store.Meta{ExpiresAt: f.Now.Add(store.MessageTTL)}, Thing: paired, ID: orderedFor, Slot: "filter", State: store.Done,
		Attempts: 1, FirstSent: f.Now.Add(-time.Hour), Result: message.Result{
			ID: orderedFor, Thing: paired, Slot: "filter", Outcome: message.Ordered, DetailCode: "STANDARD_ORDER_PLACED",
			InstanceID: ordered, At: f.Now.Add(-time.Hour),
		},
	})
}

func (f *Fixtures) giveOrder(ctx context.Context) error {
	return f.Store.Put(ctx, &store.Order{
		Thing: paired, InstanceID: ordered, Slot: "filter", Status: "placed", Product: "B00EXAMPL1",
		ExpectedDelivery: f.Now.Add(4 * 24 * time.Hour).Format(time.RFC3339), At: f.Now.Add(-time.Hour),
	})
}

func (f *Fixtures) lwaFails(ctx context.Context, kind lwatest.Kind) error {
	return f.Amazon.Script(ctx, sandbox.Faults{LWA: []lwatest.Fault{{Route: lwatest.RouteToken, Kind: kind, Times: 100}}})
}

func (f *Fixtures) drsFails(ctx context.Context, kind drstest.Kind) error {
	var faults sandbox.Faults
	for _, route := range drstest.Routes() {
		faults.DRS = append(faults.DRS, drstest.Fault{Route: route, Kind: kind, Times: 100})
	}
	return f.Amazon.Script(ctx, faults)
}

// giveGrant has a customer agree, and LWA know of it: by a code whose exchange is still
// to come, or by tokens. A sandbox makes up its codes and tokens, while the event files
// hold theirs. So another sandbox goes through it, and ours is given its state with the
// digest of what it made up replaced by that of what the files hold.
func (f *Fixtures) giveGrant(ctx context.Context, name, customer, redirectURL, code string, exchanged bool) error {
	other, err := lwatest.New(lwatest.Options{Clients: []lwatest.Client{Client()}, Clock: lwatest.NewStoppedClock(f.Now)})
	if err != nil {
		return err
	}
	d, err := thing.Parse(name)
	if err != nil {
		return err
	}
	c := &lwa.Client{
		ClientID: clientID, ClientSecret: Client().Secret, RedirectURL: redirectURL, Endpoint: lwa.Endpoint{APIURL: "https://lwa.invalid"},
		HTTPClient: &http.Client{Transport: other.Transport()}, Now: func() time.Time { return f.Now },
	}
	verifier := lwa.NewSecret(secrets["verifier"])
	page, err := c.AuthCodeURL(lwa.AuthRequest{
		State: state, Scopes: []string{"dash:replenish"}, CodeChallenge: lwa.Challenge(verifier),
		ScopeData: map[string]any{"dash:replenish": map[string]any{"device_model": d.Model, "serial": d.Serial}},
	})
	if err != nil {
		return err
	}
	back, err := other.Visit(page, lwatest.Visitor{Customer: customer})
	if err != nil {
		return err
	}
	made := back.Query().Get("code")
	digests := []string{hash(made), hash(secrets[code])}
	if exchanged {
		token, err := c.Exchange(ctx, made, verifier)
		if err != nil {
			return err
		}
		digests = append(digests, hash(token.AccessToken.Reveal()), hash(secrets["access token"]),
			hash(token.RefreshToken.Reveal()), hash(secrets["refresh token"]))
	}
	return f.restore(ctx, other, strings.NewReplacer(digests...))
}

func (f *Fixtures) restore(ctx context.Context, from *lwatest.Server, digests *strings.Replacer) error {
	theirs, err := from.Snapshot()
	if err != nil {
		return err
	}
	var records []lwatest.Record
	for _, r := range theirs {
		if strings.HasPrefix(r.Key, "grant/") || strings.HasPrefix(r.Key, "access/") {
			records = append(records, lwatest.Record{Key: digests.Replace(r.Key), Value: []byte(digests.Replace(string(r.Value)))})
		}
	}
	return f.Amazon.Seed(ctx, records)
}

// hash is a digest as the sandbox, and our own records, have it.
func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
