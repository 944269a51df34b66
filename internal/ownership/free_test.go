package ownership_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/ownership"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
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
	got, _, err := ownership.Free(t.Context(), s, device, now)
	want := ownership.Outcome{Thing: device, Freed: true, Was: store.Active, Since: before, HadKey: true, Grant: true}
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
	got, _, err = ownership.Free(t.Context(), s, device, now.Add(time.Hour))
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
	got, after, err := ownership.Free(t.Context(), s, device, now)
	if err != nil || !got.Freed || !got.HadKey || got.Grant || after.KeyHash != "" || after.Status != store.GrantEnded || after.Reason != store.ReasonConsentWithdrawn {
		t.Errorf("Free() = %+v, %v, leaves %+v", got, err, after)
	}
}

func TestFreeOfNone(t *testing.T) {
	got, _, err := ownership.Free(t.Context(), open(t), device, now)
	if err != nil || got.Freed || got.Was != store.NotRegistered {
		t.Errorf("Free() = %+v, %v", got, err)
	}
	for _, name := range []string{"", "vacuum", "A+::1", "A::1#REG"} {
		if _, _, err := ownership.Free(t.Context(), open(t), name, now); err == nil {
			t.Errorf("Free(%q) = nil", name)
		}
	}
}

// racing changes the registration between the read and the write.
type racing struct {
	*bolt.Store
	t *testing.T
}

// Get implements ownership.Store.
func (r racing) Get(ctx context.Context, rec store.Record) error {
	if err := r.Store.Get(ctx, rec); err != nil {
		return err
	}
	other := *rec.(*store.Registration)
	other.KeyHash = "another"
	if err := r.Put(ctx, &other); err != nil {
		r.t.Error(err)
	}
	return nil
}

func TestFreeIsConditional(t *testing.T) {
	s := open(t)
	if err := s.Put(t.Context(), registration()); err != nil {
		t.Fatal(err)
	}
	_, _, err := ownership.Free(t.Context(), racing{s, t}, device, now)
	if !errors.Is(err, store.ErrConflict) || !strings.Contains(err.Error(), "try again") {
		t.Errorf("Free() = %v, want a conflict", err)
	}
	r := &store.Registration{Thing: device}
	if err := s.Get(t.Context(), r); err != nil || r.Status != store.Active || r.KeyHash != "another" {
		t.Errorf("the newer registration was changed: %+v, %v", r, err)
	}
}
