package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/mototest"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/dynamo"
)

// keyList is what restock keys list --json prints.
type keyList struct{ Keys []shownKey }

func (l *keyList) primary() string {
	for _, k := range l.Keys {
		if k.Primary {
			return k.ID
		}
	}
	return ""
}

func listKeys(t *testing.T, environ []string, args ...string) (l keyList) {
	t.Helper()
	r := restock(t, environ, append([]string{"keys", "list", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(r.out), &l); err != nil || r.code != 0 {
		t.Fatalf("keys list: %+v", r)
	}
	return l
}

func TestKeysLocal(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	u.pair(t, "ACME-VAC-1", "SN0001")
	data := []string{"--data", u.data}
	first := listKeys(t, nil, data...)
	if len(first.Keys) != 1 {
		t.Fatalf("keys at first: %+v", first)
	}
	old := first.primary()
	r := restock(t, nil, append([]string{"keys", "rotate"}, data...)...)
	if r.code != 0 || !strings.Contains(r.out, "is primary now") || !strings.Contains(r.out, old) {
		t.Errorf("keys rotate: %+v", r)
	}
	restock(t, nil, append([]string{"keys", "list", "--count"}, data...)...).sentence(t, exitFailed, "in use")
	u.stop(t, syscall.SIGTERM)
	now := listKeys(t, nil, append(data, "--count")...)
	for _, k := range now.Keys {
		if want := map[bool]int{true: 0, false: 1}[k.Primary]; k.Records == nil || *k.Records != want || k.Primary == (k.ID == old) {
			t.Errorf("key %s, primary %v, has sealed %v records, want %d", k.ID, k.Primary, k.Records, want)
		}
	}
	restock(t, nil, append([]string{"keys", "remove", old, "--yes"}, data...)...).sentence(t, exitFailed, "1 record", "could not be opened")
	restock(t, nil, append([]string{"keys", "remove", now.primary(), "--yes"}, data...)...).sentence(t, exitFailed, "primary")
	restock(t, nil, append([]string{"keys", "remove", "k9", "--yes"}, data...)...).sentence(t, exitFailed, "no key")
	restock(t, nil, append([]string{"keys", "remove", old}, data...)...).sentence(t, exitUsage, "--yes")

	// What was sealed before is read, and sealed anew by a refresh.
	u = startUp(t, u.data)
	box := &control{newAPI(u.Addresses.Sandbox)}
	before, err := box.refreshes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := box.advance(t.Context(), 52*time.Minute); err != nil {
		t.Fatal(err)
	}
	err = until(t.Context(), "the refresh", func() (bool, error) {
		n, err := box.refreshes(t.Context())
		return n > before, err
	})
	if err != nil {
		t.Fatal(err)
	}
	u.stop(t, syscall.SIGTERM)
	if r := restock(t, nil, append([]string{"keys", "remove", old, "--yes", "--json"}, data...)...); r.code != 0 || !strings.Contains(r.out, old) {
		t.Errorf("keys remove: %+v", r)
	}
	if left := listKeys(t, nil, append(data, "--count")...); len(left.Keys) != 1 || *left.Keys[0].Records != 1 {
		t.Errorf("keys at the end: %+v", left)
	}
	u = startUp(t, u.data)
	if result, r := pressAgain(t, u, "ACME-VAC-1::SN0001", "filter", "one"); !good(result.Outcome) {
		t.Errorf("a press with the new key alone: %+v %+v", result, r)
	}
	restock(t, nil, "keys", "list", "--data", filepath.Join(t.TempDir(), "none.db")).sentence(t, exitFailed, local.RingPath("none.db"))
}

func TestKeysStack(t *testing.T) {
	environ := mototest.Environ(t)
	stack := mototest.Deploy(t, environ)
	secret, err := stack.Resource("KeysSecret")
	if err != nil {
		t.Fatal(err)
	}
	secrets := secretsmanager.NewFromConfig(stack.AWS())
	text := func(stage string) string {
		out, err := secrets.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &secret, VersionStage: &stage})
		if err != nil {
			t.Fatal(err)
		}
		return aws.ToString(out.SecretString)
	}
	first := text("AWSCURRENT")
	ring, err := seal.Parse([]byte(first))
	if err != nil {
		t.Fatalf("the ring that the template generates: %v", err)
	}
	keepSealed(t, &dynamo.Store{Client: dynamodb.NewFromConfig(stack.AWS()), Table: mustFind(t, stack.Resource, "DeviceTable")}, ring)

	r := restock(t, environ, onStack("keys", "rotate")...)
	if r.code != 0 || !strings.Contains(r.out, "sam deploy") || !strings.Contains(r.out, "k1 stays") {
		t.Errorf("keys rotate: %+v", r)
	}
	if text("AWSPREVIOUS") != first {
		t.Error("the ring before the rotation is not AWSPREVIOUS")
	}
	if r := restock(t, environ, onStack("keys", "add", "--json")...); r.code != 0 {
		t.Errorf("keys add: %+v", r)
	}
	got := listKeys(t, environ, onStack("--count")...)
	if len(got.Keys) != 3 || got.primary() == "k1" {
		t.Errorf("keys after two rotations: %+v", got)
	}
	for _, k := range got.Keys {
		if want := map[bool]int{true: 1}[k.ID == "k1"]; k.Records == nil || *k.Records != want {
			t.Errorf("%s has sealed %v records, want %d", k.ID, k.Records, want)
		}
	}
	if _, err := seal.Parse([]byte(text("AWSCURRENT"))); err != nil {
		t.Errorf("functions can't read the ring: %v", err)
	}
	restock(t, environ, onStack("keys", "remove", "k1", "--yes")...).sentence(t, exitFailed, "changed", "ago")
	shown := restock(t, environ, onStack("keys", "list")...)
	for _, out := range []ran{r, shown} {
		for _, id := range ring.IDs() {
			var entries map[string]string
			if err := json.Unmarshal([]byte(first), &entries); err != nil || strings.Contains(out.out+out.err, entries[id]) {
				t.Errorf("a key was printed: %+v, %v", out, err)
			}
		}
	}
}

// keepSealed stores a registration with tokens that a ring has sealed.
func keepSealed(t *testing.T, s store.Store, ring *seal.Ring) {
	t.Helper()
	r := &store.Registration{Thing: "ACME-VAC-1::SN0001", DeviceModel: "ACME-VAC-1", Serial: "SN0001", Status: store.Active, KeyHash: "hash"}
	var err error
	if r.AccessToken, err = ring.Seal(r.Thing, seal.FieldAccessToken, "canary-token"); err == nil {
		r.RefreshToken, err = ring.Seal(r.Thing, seal.FieldRefreshToken, "canary-token")
	}
	if err == nil {
		err = s.Put(t.Context(), r)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func mustFind(t *testing.T, find func(string) (string, error), name string) string {
	t.Helper()
	got, err := find(name)
	if err != nil {
		t.Fatal(err)
	}
	return got
}
