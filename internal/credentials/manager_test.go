package credentials_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/seal"
)

// vault is a Secrets Manager with one secret.
type vault struct {
	mu     sync.Mutex
	stages map[string]string
	calls  int
	down   bool
	slow   time.Duration
}

func (v *vault) Fetch(ctx context.Context, _, stage string) ([]byte, error) {
	if v.slow > 0 {
		select {
		case <-time.After(v.slow):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls++
	text, ok := v.stages[stage]
	if v.down || !ok {
		return nil, errors.New("ResourceNotFoundException")
	}
	return []byte(text), nil
}

func secret(n string) string {
	return `{"client_id":"amzn1.application-oa2-client.1","client_secret":"canary-` + n + `"}`
}

func TestCurrentFetchesOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{stages: map[string]string{"AWSCURRENT": secret("1")}, slow: time.Second}
		m := &credentials.Manager{Fetcher: v, ID: "lwa"}
		impatient, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if c, err := m.Current(impatient); !errors.Is(err, context.Canceled) {
				t.Errorf("Current(), cancelled = %v, %v", c, err)
			}
		})
		synctest.Wait() // it has begun
		for range 20 {
			wg.Go(func() {
				if c, err := m.Current(t.Context()); err != nil || c.ClientSecret.Reveal() != "canary-1" {
					t.Errorf("Current() = %v, %v", c, err)
				}
			})
		}
		synctest.Wait()
		cancel() // and gives up, which is nothing to the others
		wg.Wait()
		if v.calls != 1 {
			t.Errorf("Secrets Manager was asked %d times, want once", v.calls)
		}
	})
}

// A warm function asks nobody, be Secrets Manager up or down; what LWA refuses is
// fetched again.
func TestCurrentIsKept(t *testing.T) {
	v := &vault{stages: map[string]string{"AWSCURRENT": secret("1")}}
	m := &credentials.Manager{Fetcher: v, ID: "lwa"}
	want := func(when, secret string, calls int) {
		t.Helper()
		c, err := m.Current(t.Context())
		if err != nil || c.ClientSecret.Reveal() != secret || v.calls != calls {
			t.Errorf("%s: Current() = %q, %v after %d calls, want %q after %d", when, c.ClientSecret.Reveal(), err, v.calls, secret, calls)
		}
	}
	want("first", "canary-1", 1)
	v.stages["AWSCURRENT"], v.down = secret("2"), true
	want("Secrets Manager is down", "canary-1", 1)
	if _, err := m.Reload(t.Context()); err == nil {
		t.Error("Reload() while it is down = nil, want an error")
	}
	calls := v.calls
	want("after a reload that failed", "canary-1", calls)
	v.down = false
	if _, err := m.Reload(t.Context()); err != nil {
		t.Errorf("Reload(): %v", err)
	}
	want("after one that did not", "canary-2", v.calls)
}

func TestCurrentColdAndDown(t *testing.T) {
	v := &vault{down: true}
	m := &credentials.Manager{Fetcher: v, ID: "lwa"}
	if c, err := m.Current(t.Context()); err == nil {
		t.Errorf("Current() = %v, want an error", c)
	}
	v.down, v.stages = false, map[string]string{"AWSCURRENT": secret("1")}
	if _, err := m.Current(t.Context()); err != nil {
		t.Errorf("Current() after it is back: %v", err)
	}
}

func TestReloadReturnsEveryVersion(t *testing.T) {
	v := &vault{stages: map[string]string{"AWSCURRENT": secret("1")}}
	m := &credentials.Manager{Fetcher: v, ID: "lwa"}
	if _, err := m.Current(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.stages = map[string]string{"AWSCURRENT": secret("2"), "AWSPENDING": secret("3"), "AWSPREVIOUS": secret("1")}
	versions, err := m.Reload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range versions {
		got = append(got, c.ClientSecret.Reveal())
	}
	if strings.Join(got, " ") != "canary-2 canary-3 canary-1" {
		t.Errorf("Reload() = %v, want current, pending, previous", got)
	}
	if c, err := m.Current(t.Context()); err != nil || c.ClientSecret.Reveal() != "canary-2" {
		t.Errorf("Current() after it = %v, %v, want the newest", c, err)
	}
	v.stages = map[string]string{"AWSCURRENT": secret("4")}
	if versions, err = m.Reload(t.Context()); err != nil || len(versions) != 1 {
		t.Errorf("Reload() with one version = %d versions, %v", len(versions), err)
	}
}

// A current version that was written wrongly doesn't take the one before with it.
func TestReloadWithoutCurrent(t *testing.T) {
	v := &vault{stages: map[string]string{"AWSCURRENT": `{"client_id":"canary`, "AWSPREVIOUS": secret("1")}}
	m := &credentials.Manager{Fetcher: v, ID: "lwa"}
	if _, err := m.Current(t.Context()); err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "in secret lwa") {
		t.Errorf("Current() error = %v, want one that names the secret and not its text", err)
	}
	versions, err := m.Reload(t.Context())
	if err != nil || len(versions) != 1 || versions[0].ClientSecret.Reveal() != "canary-1" {
		t.Errorf("Reload() = %v, %v, want the version before", versions, err)
	}
	v.stages = nil
	if _, err := m.Reload(t.Context()); err == nil {
		t.Error("Reload() of a secret without versions = nil, want an error")
	}
}

// While Secrets Manager hangs, who has a value at hand does not wait, and nobody for ever.
func TestSecretsManagerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &vault{stages: map[string]string{"AWSCURRENT": secret("1")}}
		m := &credentials.Manager{Fetcher: v, ID: "lwa"}
		if v.calls != 0 {
			t.Error("Secrets Manager was asked before the first use")
		}
		if _, err := m.Current(t.Context()); err != nil {
			t.Fatal(err)
		}
		v.slow = time.Hour
		begun := time.Now()
		if c, err := m.Current(t.Context()); err != nil || c.ClientSecret.Reveal() != "canary-1" || time.Since(begun) > 0 {
			t.Errorf("Current() = %v, %v after %v, want what is at hand at once", c, err, time.Since(begun))
		}
		cold := &credentials.Manager{Fetcher: v, ID: "lwa"}
		begun = time.Now()
		if _, err := cold.Current(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) > 10*time.Second {
			t.Errorf("Current() without anything at hand = %v after %v", err, time.Since(begun))
		}
	})
}

func TestParse(t *testing.T) {
	c, err := credentials.Parse([]byte(secret("1")))
	if err != nil || c.ClientID != "amzn1.application-oa2-client.1" || c.ClientSecret.Reveal() != "canary-1" {
		t.Errorf("Parse() = %v, %v", c, err)
	}
	if text := fmt.Sprintf("%v %+v %#v", c, c, c); strings.Contains(text, "canary") {
		t.Errorf("credentials print their secret: %s", text)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"empty", "", "JSON object"},
		{"null", "null", "JSON object"},
		{"array", "[]", "JSON object"},
		{"bare secret", `"canary-1"`, "JSON object"},
		{"no ID", `{"client_secret":"canary-1"}`, "client_id"},
		{"no secret", `{"client_id":"a"}`, "client_secret"},
		{"newline at the end", `{"client_id":"a","client_secret":"canary-1\n"}`, "client_secret"},
		{"quotes left", `{"client_id":"a b","client_secret":"canary-1"}`, "client_id"},
		{"long ID", `{"client_id":"` + strings.Repeat("a", 101) + `","client_secret":"canary-1"}`, "client_id"},
		{"huge", strings.Repeat(" ", 70_000) + secret("1"), "JSON object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := credentials.Parse([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "canary") {
				t.Errorf("Parse() error = %v, want one about %s, without the value", err, tt.want)
			}
		})
	}
}

const (
	ring1 = `{"primary":"k1","k1":"0123456789abcdef0123456789abcdef"}`
	ring2 = `{"primary":"k2","k1":"0123456789abcdef0123456789abcdef","k2":"fedcba9876543210fedcba9876543210"}`
)

// A function that has read the ring meets a text that another has sealed by a newer key.
func TestKeysFindANewKey(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	v := &vault{stages: map[string]string{"AWSCURRENT": ring1}}
	k := &credentials.Keys{Fetcher: v, ID: "keys", Now: func() time.Time { return now }}
	ring, err := k.Ring(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	newer, err := seal.Parse([]byte(ring2))
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := newer.Seal("A::1", seal.FieldAccessToken, "token")
	if err != nil {
		t.Fatal(err)
	}
	v.stages["AWSCURRENT"] = ring2
	now = now.Add(2 * time.Minute)
	if plain, err := ring.Open("A::1", seal.FieldAccessToken, sealed); err != nil || plain != "token" {
		t.Errorf("Open() = %q, %v, want the text", plain, err)
	}
	stranger := strings.Replace(sealed, ".k2.", ".k3.", 1)
	calls := v.calls
	for range 5 {
		now = now.Add(10 * time.Second)
		var unknown *seal.UnknownKeyError
		if _, err := ring.Open("A::1", seal.FieldAccessToken, stranger); !errors.As(err, &unknown) || unknown.ID != "k3" {
			t.Errorf("Open() of an unknown key: %v", err)
		}
	}
	if v.calls > calls+1 {
		t.Errorf("an unknown key was looked for %d times within a minute", v.calls-calls)
	}
}

// A warm function asks nobody for its key ring, however long it lives.
func TestKeysAreKept(t *testing.T) {
	now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	v := &vault{stages: map[string]string{"AWSCURRENT": ring1}}
	k := &credentials.Keys{Fetcher: v, ID: "keys", Now: func() time.Time { return now }}
	var sealed string
	for range 10 {
		now = now.Add(time.Hour)
		ring, err := k.Ring(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if sealed, err = ring.Seal("A::1", seal.FieldAccessToken, "token"); err != nil {
			t.Fatal(err)
		}
		if _, err := ring.Open("A::1", seal.FieldAccessToken, sealed); err != nil {
			t.Fatal(err)
		}
	}
	if v.calls != 1 {
		t.Errorf("Secrets Manager was asked %d times, want once", v.calls)
	}
}

func TestKeysRefuseARingThatIsNone(t *testing.T) {
	v := &vault{stages: map[string]string{"AWSCURRENT": `{"primary":"canary-secret"}`}}
	k := &credentials.Keys{Fetcher: v, ID: "keys"}
	if _, err := k.Ring(t.Context()); err == nil || strings.Contains(err.Error(), "canary") || !strings.Contains(err.Error(), "keys") {
		t.Errorf("Ring() error = %v, want one that names the secret and no value", err)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{secret("1"), "{}", "null", `{"client_id":1}`, ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := credentials.Parse(text)
		if err == nil && (c.ClientID == "" || c.ClientSecret.IsZero()) {
			t.Errorf("Parse(%q) gave credentials that can't work", text)
		}
	})
}
