package pairing_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/devicekey"
	"github.com/restock-dev/restock/internal/pairing"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/thing"
)

var (
	dev  = thing.Device{Model: "ACME-VAC-1", Serial: "SN+1"}
	name = dev.Name()
	now  = time.Date(2026, 1, 8, 10, 0, 0, 250_000_000, time.UTC)
)

// memory holds records as JSON, and does not check versions: nothing here writes twice.
type memory struct {
	records map[store.Key][]byte
	err     error
	onGet   func(store.Record)
}

func newMemory() *memory { return &memory{records: map[store.Key][]byte{}} }

func (m *memory) Get(_ context.Context, rec store.Record) error {
	if m.err != nil {
		return m.err
	}
	text, ok := m.records[rec.Key()]
	if m.onGet != nil {
		m.onGet(rec)
	}
	if !ok {
		return store.ErrNotFound
	}
	return json.Unmarshal(text, rec)
}

func (m *memory) Put(_ context.Context, rec store.Record) error {
	if m.err != nil {
		return m.err
	}
	text, err := json.Marshal(rec)
	m.records[rec.Key()] = text
	return err
}

func (m *memory) put(t *testing.T, rec store.Record) {
	t.Helper()
	if err := m.Put(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
}

func starter(m *memory) *pairing.Starter {
	return &pairing.Starter{Store: m, RedirectURL: "https://pair.example/shop/callback", Now: func() time.Time { return now }}
}

func TestStart(t *testing.T) {
	for _, byOwner := range []bool{true, false} {
		m := newMemory()
		s, err := starter(m).Start(t.Context(), dev, byOwner)
		if err != nil {
			t.Fatal(err)
		}
		p := &store.Pairing{ID: s.ID}
		if err := m.Get(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		if p.Thing != name || p.ByOwner != byOwner || p.Status != store.PairingWaiting || p.KeyHash != devicekey.Hash(s.DeviceKey) ||
			!p.ExpiresAt.Equal(now.Add(15*time.Minute)) {
			t.Errorf("stored %+v", p)
		}
		if s.ID != devicekey.PairingID(s.DeviceKey) || !s.ExpiresAt.Equal(p.ExpiresAt) {
			t.Errorf("started %+v", s)
		}
		if want := "https://pair.example/shop/?pairing=" + s.ID; s.URL != want {
			t.Errorf("URL = %q, want %q", s.URL, want)
		}
		if key, err := devicekey.Thing(s.DeviceKey); err != nil || key != name {
			t.Errorf("the key is of %q (%v), want %q", key, err, name)
		}
	}
}

func TestStartOverMQTT(t *testing.T) {
	m := newMemory()
	out, err := starter(m).StartOverMQTT(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(out.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := &store.Pairing{ID: u.Query().Get("pairing")}
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(p.ID) {
		t.Errorf("ID = %q, want the form of all pairings", p.ID)
	}
	if err := m.Get(t.Context(), p); err != nil || p.Thing != name || !p.ByOwner || p.KeyHash != "" || !p.ExpiresAt.Equal(out.ExpiresAt) {
		t.Errorf("stored %+v, %v", p, err)
	}
	for _, bad := range []string{"", "x", "a::b::c", "A::+"} {
		if _, err := starter(m).StartOverMQTT(t.Context(), bad); err == nil {
			t.Errorf("a pairing was started for the thing %q", bad)
		}
	}
}

func TestStartFails(t *testing.T) {
	m := newMemory()
	m.err = store.ErrUnavailable
	if _, err := starter(m).Start(t.Context(), dev, false); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Start() = %v, want that the store is unavailable", err)
	}
	if _, err := starter(m).StartOverMQTT(t.Context(), name); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("StartOverMQTT() = %v, want that the store is unavailable", err)
	}
	bad := &pairing.Starter{Store: newMemory(), RedirectURL: "http://pair.example/"}
	if _, err := bad.Start(t.Context(), dev, false); err == nil {
		t.Error("a pairing was started with a redirect URL that can't be")
	}
}

func TestAuthenticate(t *testing.T) {
	key, other := devicekey.New(name), devicekey.New(name)
	reg := func(status store.Status, key string) *store.Registration {
		return &store.Registration{Thing: name, Status: status, KeyHash: devicekey.Hash(key)}
	}
	waits := func(status store.PairingStatus, key string) *store.Pairing {
		return &store.Pairing{ID: devicekey.PairingID(key), Thing: name, KeyHash: devicekey.Hash(key), Status: status}
	}
	for _, tc := range []struct {
		what    string
		key     string
		records []store.Record
		want    error
	}{
		{"active", key, []store.Record{reg(store.Active, key)}, nil},
		{"grant ended", key, []store.Record{reg(store.GrantEnded, key)}, nil},
		{"deregistered", key, []store.Record{reg(store.Deregistered, key)}, nil},
		{"nothing", key, nil, pairing.ErrWrongKey},
		{"foreign key", key, []store.Record{reg(store.Active, other)}, pairing.ErrWrongKey},
		{"no key stored", key, []store.Record{&store.Registration{Thing: name, Status: store.Active}}, pairing.ErrWrongKey},
		{"waiting", key, []store.Record{waits(store.PairingWaiting, key)}, pairing.ErrNotPairedYet},
		{"waiting beside another key", key, []store.Record{reg(store.Active, other), waits(store.PairingWaiting, key)}, pairing.ErrNotPairedYet},
		{"another key waits", key, []store.Record{waits(store.PairingWaiting, other)}, pairing.ErrWrongKey},
		{"refused", key, []store.Record{waits(store.PairingRefused, key)}, pairing.ErrWrongKey},
		{"paired and replaced", key, []store.Record{reg(store.Active, other), waits(store.PairingPaired, key)}, pairing.ErrWrongKey},
		{"paired, not marked", key, []store.Record{reg(store.Active, key), waits(store.PairingWaiting, key)}, nil},
		{"malformed", "x", nil, pairing.ErrWrongKey},
		{"empty", "", nil, pairing.ErrWrongKey},
		{"long", strings.Repeat("x", 10_000), nil, pairing.ErrWrongKey},
		{"key of another thing", devicekey.New("OTHER::1"), []store.Record{reg(store.Active, key)}, pairing.ErrWrongKey},
	} {
		t.Run(tc.what, func(t *testing.T) {
			m := newMemory()
			for _, rec := range tc.records {
				m.put(t, rec)
			}
			got, err := pairing.Authenticate(t.Context(), m, tc.key)
			if !errors.Is(err, tc.want) || (err == nil) != (got != nil) {
				t.Fatalf("Authenticate() = %v, %v, want error %v", got, err, tc.want)
			}
			if got != nil && got.Status != tc.records[0].(*store.Registration).Status {
				t.Errorf("registration = %+v", got)
			}
		})
	}
	m := newMemory()
	m.err = store.ErrUnavailable
	if _, err := pairing.Authenticate(t.Context(), m, key); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Authenticate() = %v, want that the store is unavailable", err)
	}
}

// The customer finishes between the two reads: the key must not be called wrong.
func TestAuthenticateMeanwhilePaired(t *testing.T) {
	key := devicekey.New(name)
	m := newMemory()
	m.onGet = func(rec store.Record) {
		if _, ok := rec.(*store.Registration); ok {
			m.onGet = nil
			m.put(t, &store.Registration{Thing: name, Status: store.Active, KeyHash: devicekey.Hash(key)})
			m.put(t, &store.Pairing{ID: devicekey.PairingID(key), Thing: name, KeyHash: devicekey.Hash(key), Status: store.PairingPaired})
		}
	}
	if _, err := pairing.Authenticate(t.Context(), m, key); err != nil {
		t.Errorf("Authenticate() = %v, want the registration that was just made", err)
	}
}

func TestStatus(t *testing.T) {
	key, other := devicekey.New(name), devicekey.New(name)
	id := devicekey.PairingID(key)
	p := func(status store.PairingStatus) store.Record {
		return &store.Pairing{ID: id, Thing: name, KeyHash: devicekey.Hash(key), Status: status}
	}
	registered := &store.Registration{Thing: name, Status: store.Active, KeyHash: devicekey.Hash(key), Pairing: id}
	for _, tc := range []struct {
		what    string
		key     string
		records []store.Record
		want    store.PairingStatus
	}{
		{"waiting", key, []store.Record{p(store.PairingWaiting)}, store.PairingWaiting},
		{"refused", key, []store.Record{p(store.PairingRefused)}, store.PairingRefused},
		{"paired", key, []store.Record{p(store.PairingPaired)}, store.PairingPaired},
		{"paired, not marked", key, []store.Record{p(store.PairingWaiting), registered}, store.PairingPaired},
		{"paired, though another sign-in was refused", key, []store.Record{p(store.PairingRefused), registered}, store.PairingPaired},
		{"paired long ago", key, []store.Record{registered}, store.PairingPaired},
		{"expired", key, nil, pairing.StatusExpired},
		{"wrong key", other, []store.Record{p(store.PairingPaired)}, ""},
		{"no key", "", []store.Record{p(store.PairingPaired)}, ""},
	} {
		t.Run(tc.what, func(t *testing.T) {
			m := newMemory()
			for _, rec := range tc.records {
				m.put(t, rec)
			}
			got, thing, err := pairing.Status(t.Context(), m, id, tc.key)
			if tc.want == "" {
				if !errors.Is(err, pairing.ErrWrongKey) {
					t.Errorf("Status() = %q, %v, want ErrWrongKey", got, err)
				}
				return
			}
			if err != nil || got != tc.want || thing != name {
				t.Errorf("Status() = %q of %q, %v, want %q", got, thing, err, tc.want)
			}
		})
	}
}

func FuzzAuthenticate(f *testing.F) {
	f.Add("")
	f.Add(".")
	f.Add(devicekey.New(name))
	f.Add(devicekey.New("A::1") + "x")
	m := newMemory()
	f.Fuzz(func(t *testing.T, key string) {
		if _, err := pairing.Authenticate(t.Context(), m, key); !errors.Is(err, pairing.ErrWrongKey) {
			t.Errorf("Authenticate(%q) = %v, want ErrWrongKey", key, err)
		}
		if _, _, err := pairing.Status(t.Context(), m, "0", key); !errors.Is(err, pairing.ErrWrongKey) {
			t.Errorf("Status(%q) = %v, want ErrWrongKey", key, err)
		}
	})
}
