package ownership_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/ownership"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/lwa"
)

const device = "ACME-VAC-1::SN0001"

var (
	before = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	now    = time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
)

func open(t *testing.T) *bolt.Store {
	t.Helper()
	s, err := bolt.Open(filepath.Join(t.TempDir(), "db"), bolt.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// owner takes devices away; amazon answers for Amazon.
func owner(s ownership.Store, amazon error) *ownership.Owner {
	return &ownership.Owner{Store: s, Now: func() time.Time { return now }, Amazon: func(context.Context, *store.Registration) error { return amazon }}
}

func registration() *store.Registration {
	return &store.Registration{
		Thing: device, DeviceModel: "ACME-VAC-1", Serial: "SN0001", Status: store.Active, StatusAt: before, Grant: "g",
		AccessToken: "sealed", RefreshToken: "sealed", Expiry: now, DueShard: "3", DueAt: now,
		KeyHash: "hash", CustomerID: "amzn1.account.A", Pairing: "p",
	}
}

func TestFree(t *testing.T) {
	s := open(t)
	if err := s.Put(t.Context(), registration()); err != nil {
		t.Fatal(err)
	}
	got, _, err := owner(s, nil).Free(t.Context(), device)
	want := ownership.Outcome{Thing: device, Freed: true, Was: store.Active, Since: before, HadKey: true, Grant: true, Amazon: ownership.Deregistered}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Free(), %v (-want +got):\n%s", err, diff)
	}
	r := &store.Registration{Thing: device}
	if err := s.Get(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	left := &store.Registration{
		Meta: r.Meta, Thing: device, DeviceModel: "ACME-VAC-1", Serial: "SN0001", Grant: "g",
		Status: store.Deregistered, Reason: store.ReasonByOperator, StatusAt: now,
	}
	if diff := cmp.Diff(left, r); diff != "" {
		t.Errorf("registration afterwards (-want +got):\n%s", diff)
	}
	if due, err := s.Due(t.Context(), "3", now.Add(time.Hour), 10); err != nil || len(due) != 0 {
		t.Errorf("it is still due for a refresh: %v, %v", due, err)
	}
	got, _, err = owner(s, errors.New("Amazon was told of a device that is free")).Free(t.Context(), device)
	want = ownership.Outcome{Thing: device, Was: store.Deregistered, Since: now}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Free() again, %v (-want +got):\n%s", err, diff)
	}
}

// The key of a registration that has ended is known still, and must open nothing either.
func TestFreeOfWhatHasEnded(t *testing.T) {
	s := open(t)
	r := registration()
	r.End(store.GrantEnded, store.ReasonConsentWithdrawn, before)
	if err := s.Put(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	got, after, err := owner(s, errors.New("Amazon was told of a grant that has ended")).Free(t.Context(), device)
	if err != nil || !got.Freed || !got.HadKey || got.Grant || got.Amazon != "" || after.KeyHash != "" || after.Status != store.GrantEnded || after.Reason != store.ReasonConsentWithdrawn {
		t.Errorf("Free() = %+v, %v, leaves %+v", got, err, after)
	}
}

// A grant without a refresh token ends by itself, and Amazon has heard nothing of that.
func TestFreeOfWhatHasRunOut(t *testing.T) {
	s := open(t)
	r := registration()
	r.End(store.GrantEnded, store.ReasonNoRefreshToken, before)
	if err := s.Put(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	got, after, err := owner(s, errors.New("Amazon was told with no token")).Free(t.Context(), device)
	if err != nil || !got.Freed || got.Amazon != ownership.NotTold || after.KeyHash != "" {
		t.Errorf("Free() = %+v, %v, leaves %+v; want that Amazon was not told", got, err, after)
	}
}

func TestFreeOfNone(t *testing.T) {
	got, _, err := owner(open(t), nil).Free(t.Context(), device)
	if err != nil || got.Freed || got.Was != store.NotRegistered {
		t.Errorf("Free() = %+v, %v", got, err)
	}
	for _, name := range []string{"", "vacuum", "A+::1", "A::1#REG"} {
		if _, _, err := owner(open(t), nil).Free(t.Context(), name); err == nil {
			t.Errorf("Free(%q) = nil", name)
		}
	}
}

// What Amazon says decides whether anything changes here, and what the operator hears.
func TestFreeAtAmazon(t *testing.T) {
	away := errors.New("Amazon is away")
	ended := func(reason string) error { return &tokens.GrantEndedError{Reason: reason, At: before} }
	for _, tt := range []struct {
		name   string
		amazon error
		anyway bool
		want   ownership.Told // "" is refused
		why    string
	}{
		{"told", nil, false, ownership.Deregistered, ""},
		{"consent was withdrawn", ended(store.ReasonConsentWithdrawn), false, ownership.Ended, ""},
		{"takes no token, as after an answer that got lost", fmt.Errorf("deregistering: %w", drs.ErrInvalidToken), false, ownership.Ended, ""},
		{"the only token is too old", ended(store.ReasonNoRefreshToken), false, ownership.NotTold, ""},
		{"away", away, false, "", ""},
		{"away, and freed anyway", away, true, ownership.NotTold, "Amazon is away"},
		{"told, and anyway makes no difference", nil, true, ownership.Deregistered, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := open(t)
			if err := s.Put(t.Context(), registration()); err != nil {
				t.Fatal(err)
			}
			o := owner(s, tt.amazon)
			o.Anyway = tt.anyway
			got, _, err := o.Free(t.Context(), device)
			r := &store.Registration{Thing: device}
			if err := s.Get(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if tt.want == "" {
				var amazon *ownership.AmazonError
				if !errors.As(err, &amazon) || !errors.Is(err, tt.amazon) || got.Freed || r.Status != store.Active || r.KeyHash == "" || r.AccessToken == "" {
					t.Errorf("Free() = %+v, %v, leaves %+v; nothing may change", got, err, r)
				}
				return
			}
			if err != nil || !got.Freed || got.Amazon != tt.want || got.Trouble != tt.why || r.Status != store.Deregistered || r.KeyHash != "" || r.AccessToken != "" {
				t.Errorf("Free() = %+v, %v, leaves %+v; want %q at Amazon", got, err, r, tt.want)
			}
		})
	}
}

// source hands out one token after the other.
type source []string

// AccessToken implements tokens.Source.
func (s source) AccessToken(context.Context, *store.Registration) (lwa.Secret, error) {
	return lwa.NewSecret(s[0]), nil
}

// Renew implements tokens.Source.
func (s source) Renew(context.Context, *store.Registration, lwa.Secret) (lwa.Secret, error) {
	return lwa.NewSecret(s[1]), nil
}

// service is a DRS that takes one token.
type service struct {
	good string
	got  []string
}

// Deregister implements ownership.DRS.
func (s *service) Deregister(_ context.Context, token string) error {
	if s.got = append(s.got, token); token != s.good {
		return drs.ErrInvalidToken
	}
	return nil
}

// A token that DRS does not take is renewed once.
func TestAtAmazon(t *testing.T) {
	for _, tt := range []struct {
		good string
		want error
		got  []string
	}{
		{"kept", nil, []string{"kept"}},
		{"fresh", nil, []string{"kept", "fresh"}},
		{"neither", drs.ErrInvalidToken, []string{"kept", "fresh"}},
	} {
		d := &service{good: tt.good}
		err := ownership.AtAmazon(t.Context(), source{"kept", "fresh"}, d, registration())
		if diff := cmp.Diff(tt.got, d.got); !errors.Is(err, tt.want) || diff != "" {
			t.Errorf("AtAmazon() where %s is good = %v, calls (-want +got):\n%s", tt.good, err, diff)
		}
	}
}

// anew is a source that finds, as it refreshes, that the device was paired anew.
type anew struct{ source }

// AccessToken implements tokens.Source.
func (s anew) AccessToken(ctx context.Context, r *store.Registration) (lwa.Secret, error) {
	r.Grant = "another"
	return s.source.AccessToken(ctx, r)
}

// The next customer's device stays on their account.
func TestAtAmazonAfterAnotherPairing(t *testing.T) {
	d := &service{good: "theirs"}
	err := ownership.AtAmazon(t.Context(), anew{source{"theirs"}}, d, registration())
	if !errors.Is(err, tokens.ErrPairedAnew) || len(d.got) != 0 {
		t.Errorf("AtAmazon() = %v after %d calls, want ErrPairedAnew and none", err, len(d.got))
	}
	s := open(t)
	if err := s.Put(t.Context(), registration()); err != nil {
		t.Fatal(err)
	}
	o := owner(s, err)
	o.Anyway = true
	if got, _, err := o.Free(t.Context(), device); !errors.Is(err, store.ErrConflict) || got.Freed {
		t.Errorf("Free() = %+v, %v, want a conflict", got, err)
	}
}

// meanwhile has somebody else write the registration while Amazon is told.
func meanwhile(t *testing.T, s *bolt.Store, change func(*store.Registration)) *ownership.Owner {
	t.Helper()
	o := owner(s, nil)
	o.Amazon = func(ctx context.Context, r *store.Registration) error {
		other := &store.Registration{Thing: r.Thing}
		if err := s.Get(ctx, other); err != nil {
			return err
		}
		change(other)
		return s.Put(ctx, other)
	}
	return o
}

// Amazon's own notification of the end, and a refresh, write the record as well.
func TestFreeOfWhatChanges(t *testing.T) {
	for name, change := range map[string]func(*store.Registration){
		"refreshed": func(r *store.Registration) { r.AccessToken = "fresh" },
		"notified":  func(r *store.Registration) { r.End(store.Deregistered, store.ReasonByAmazon, now) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			if err := s.Put(t.Context(), registration()); err != nil {
				t.Fatal(err)
			}
			got, r, err := meanwhile(t, s, change).Free(t.Context(), device)
			if err != nil || !got.Freed || got.Was != store.Active || r.Status != store.Deregistered || r.Reason != store.ReasonByOperator || r.KeyHash != "" || r.AccessToken != "" {
				t.Errorf("Free() = %+v, %v, leaves %+v", got, err, r)
			}
		})
	}
}

// A device that was paired anew meanwhile is somebody else's by now.
func TestFreeIsConditional(t *testing.T) {
	s := open(t)
	if err := s.Put(t.Context(), registration()); err != nil {
		t.Fatal(err)
	}
	o := meanwhile(t, s, func(r *store.Registration) { r.Grant, r.KeyHash = "another", "another" })
	got, _, err := o.Free(t.Context(), device)
	if !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "try again") || got.Freed {
		t.Errorf("Free() = %+v, %v, want a conflict", got, err)
	}
	r := &store.Registration{Thing: device}
	if err := s.Get(t.Context(), r); err != nil || r.Status != store.Active || r.KeyHash != "another" {
		t.Errorf("the newer registration was changed: %+v, %v", r, err)
	}
}
