package sandbox_test

import (
	"errors"
	"fmt"
	"maps"
	"net/url"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func TestConsentRegistersAndOrders(t *testing.T) {
	w := open(t, new(memory))
	token := w.pair(t)
	w.note(t, "DeviceRegisteredNotification")
	w.note(t, "SubscriptionChangedNotification")
	slots, err := w.drs.Subscriptions(t.Context(), token.AccessToken.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	subscribed := map[string]bool{}
	for _, s := range slots {
		subscribed[s.ID] = s.Subscribed
	}
	if want := map[string]bool{"filter": true, "main-brush": true, "side-brush": false}; !maps.Equal(subscribed, want) {
		t.Errorf("slots = %v, want %v", subscribed, want)
	}
	r, err := w.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter")
	if err != nil || r.DetailCode != drs.StandardOrderPlaced {
		t.Fatalf("Replenish() = %+v, %v", r, err)
	}
	w.note(t, "OrderPlacedNotification")
	var o drstest.Order
	if status := w.call(t, "POST", "/sandbox/orders/"+url.PathEscape(r.EventInstanceID)+"/ship", "", &o); status != 200 || o.State != drstest.Shipped {
		t.Errorf("shipping answered %d with state %s", status, o.State)
	}
	w.note(t, "ItemShippedNotification")
}

// A second customer's consent that comes to nothing, since Restock refuses it, harms
// nobody; a device that changes hands for good goes on with the new customer's token.
func TestSecondCustomer(t *testing.T) {
	const two = "amzn1.account.AEXAMPLETWO"
	press := func(t *testing.T, w *world, token *lwa.Token) error {
		t.Helper()
		_, err := w.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter")
		return err
	}
	for _, moves := range []bool{false, true} {
		keep := new(memory)
		w := open(t, keep)
		if w.call(t, "POST", "/sandbox/switches", fmt.Sprintf(`{"consent_moves":%t}`, moves), nil) != 200 {
			t.Fatal("the switch was refused")
		}
		w = open(t, keep) // it is kept
		first := w.pair(t)
		if err := w.DRS.Subscribe("ACME-VAC-1", "SN0001", "side-brush", true); err != nil {
			t.Fatal(err)
		}
		second := w.pairAs(t, two)
		if err := press(t, w, first); (err != nil) != moves {
			t.Errorf("consent_moves %t: the first customer's press = %v", moves, err)
		}
		if err := press(t, w, second); err != nil {
			t.Errorf("consent_moves %t: the second customer's press = %v", moves, err)
		}
		if moves {
			continue
		}
		if r, _ := w.DRS.Registration("ACME-VAC-1", "SN0001"); r.CustomerID != two || r.Slots[2].Subscribed {
			t.Errorf("registration = %+v, want the second customer's", r)
		}
		slots, err := w.drs.Subscriptions(t.Context(), first.AccessToken.Reveal())
		if err != nil || !slots[2].Subscribed {
			t.Errorf("the first customer's slots = %+v, %v, want the own subscriptions again", slots, err)
		}
	}
}

// Where the first customer has withdrawn, the second's consent is enough.
func TestSecondCustomerAfterTheFirst(t *testing.T) {
	w := open(t, new(memory))
	w.pair(t)
	if _, err := w.Withdraw(lwatest.Match{Serial: "SN0001"}, false); err != nil {
		t.Fatal(err)
	}
	w.pairAs(t, "amzn1.account.AEXAMPLETWO")
	if r, _ := w.DRS.Registration("ACME-VAC-1", "SN0001"); r.CustomerID != "amzn1.account.AEXAMPLETWO" {
		t.Errorf("registration = %+v, want the second customer's", r)
	}
}

func TestDeregistrationEndsTheGrant(t *testing.T) {
	w := open(t, new(memory))
	token := w.pair(t)
	if err := w.drs.Deregister(t.Context(), token.AccessToken.Reveal()); err != nil {
		t.Fatal(err)
	}
	var refused *lwa.Error
	if _, err := w.lwa.Refresh(t.Context(), token.RefreshToken); !errors.As(err, &refused) || refused.Code != lwa.InvalidGrant {
		t.Errorf("Refresh() after the deregistration = %v, want invalid_grant", err)
	}
}

func TestWithdraw(t *testing.T) {
	for _, c := range []struct {
		name, body string
		registered bool // at DRS, afterwards
	}{
		{"by thing", `{"thing":"` + vac + `"}`, true},
		{"by customer", `{"customer":"amzn1.account.AEXAMPLEONE"}`, true},
		{"and DRS tells", `{"thing":"` + vac + `","notify":true}`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := open(t, new(memory))
			token := w.pair(t)
			var ended struct{ Ended int }
			if status := w.call(t, "POST", "/sandbox/withdraw", c.body, &ended); status != 200 || ended.Ended != 1 {
				t.Fatalf("withdrawing answered %d, ended %d", status, ended.Ended)
			}
			if _, err := w.lwa.Refresh(t.Context(), token.RefreshToken); err == nil {
				t.Error("the refresh token still works")
			}
			if _, err := w.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter"); !errors.Is(err, drs.ErrInvalidToken) {
				t.Errorf("Replenish() = %v, want ErrInvalidToken", err)
			}
			st := w.State()
			if d := st.Devices[0]; d.Thing != vac || d.Registered != c.registered || d.Consent {
				t.Errorf("device %+v, want registered %v and no consent", d, c.registered)
			}
		})
	}
}

func TestOrdersShipInTime(t *testing.T) {
	w := open(t, new(memory))
	token := w.pair(t)
	r, err := w.drs.Replenish(t.Context(), token.AccessToken.Reveal(), "filter")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Advance(25 * time.Hour); err != nil {
		t.Fatal(err)
	}
	if o, ok := w.DRS.Order(r.EventInstanceID); !ok || o.State != drstest.Shipped {
		t.Errorf("order after a day is %s, want shipped", o.State)
	}
}

// All that LWA serves is at the sandbox's one address.
func TestRoutesOfLWA(t *testing.T) {
	w := open(t, new(memory))
	for _, path := range []string{"/ap/oa", "/auth/o2/token", "/auth/O2/create/codepair", "/us/code", "/auth/o2/tokeninfo", "/user/profile", "/api/appstore/v1/applications"} {
		w.call(t, "GET", path, "", nil)
	}
	for route, n := range map[lwatest.Route]int{lwatest.RouteAuthorize: 1, lwatest.RouteToken: 1, lwatest.RouteCodePair: 1, lwatest.RouteVerify: 1, lwatest.RouteTokenInfo: 1, lwatest.RouteProfile: 1, lwatest.RouteAppstore: 1} {
		if got := w.LWA.Calls(route, ""); got != n {
			t.Errorf("%s was asked %d times, want %d", route, got, n)
		}
	}
}
