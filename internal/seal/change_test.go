package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/restock-dev/restock/internal/seal"
)

func TestAdd(t *testing.T) {
	old := sealed(t, parse(t, oldRing))
	next, id, err := seal.Add([]byte(oldRing))
	if err != nil {
		t.Fatal(err)
	}
	r := parse(t, string(next))
	if r.Primary() != id || !slices.Contains(r.IDs(), id) || !slices.Contains(r.IDs(), "k1") || len(r.IDs()) != 2 {
		t.Errorf("the ring has %v, primary %s, want k1 and %s, which is primary", r.IDs(), r.Primary(), id)
	}
	if got, err := r.Open(device, seal.FieldRefreshToken, old); err != nil || got != canary {
		t.Errorf("Open() of what the old key sealed = %q, %v", got, err)
	}
	if now := sealed(t, r); seal.KeyID(now) != id || seal.KeyID(old) != "k1" {
		t.Errorf("sealed with %s and before with %s", seal.KeyID(now), seal.KeyID(old))
	}
	again, other, err := seal.Add([]byte(oldRing))
	if err != nil || other == id || bytes.Equal(again, next) {
		t.Errorf("Add() made the same key twice: %s, %v", other, err)
	}
	for _, text := range []string{"", canary, `v1.k1`, "v1." + canary + ".!"} {
		if got := seal.KeyID(text); got != "" {
			t.Errorf("KeyID(%q) = %q", text, got)
		}
	}
}

func TestAddIsBounded(t *testing.T) {
	text := []byte(oldRing)
	for range 31 {
		var err error
		if text, _, err = seal.Add(text); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := seal.Add(text); err == nil || !strings.Contains(err.Error(), "32 keys already") {
		t.Errorf("Add() to a full ring = %v", err)
	}
	if _, _, err := seal.Add([]byte(canary)); err == nil || strings.Contains(err.Error(), canary) {
		t.Errorf("Add() to no ring = %v", err)
	}
}

func TestRemove(t *testing.T) {
	next, id, err := seal.Add([]byte(oldRing))
	if err != nil {
		t.Fatal(err)
	}
	for wrong, want := range map[string]string{id: "is primary", "k9": "no key"} {
		if _, err := seal.Remove(next, wrong); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Remove(%s) = %v", wrong, err)
		}
	}
	left, err := seal.Remove(next, "k1")
	if err != nil {
		t.Fatal(err)
	}
	var entries map[string]string
	if err := json.Unmarshal(left, &entries); err != nil || len(entries) != 2 || entries["primary"] != id {
		t.Errorf("Remove() left %d entries, %v", len(entries), err)
	}
}

func TestChangeFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	if _, err := seal.LoadFile(path); err != nil {
		t.Fatal(err)
	}
	add := func(text []byte) ([]byte, error) { next, _, err := seal.Add(text); return next, err }
	if err := seal.ChangeFile(path, add); err != nil {
		t.Fatal(err)
	}
	r, err := seal.ReadFile(path)
	if err != nil || len(r.IDs()) != 2 {
		t.Errorf("the ring after a change: %v, %v", r, err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	no := errors.New("no")
	if err := seal.ChangeFile(path, func([]byte) ([]byte, error) { return nil, no }); !errors.Is(err, no) {
		t.Errorf("ChangeFile() = %v, want the error of the change", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("a change that failed has changed the file, %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("directory has %v, %v, want the ring alone", left, err)
	}
	if err := seal.ChangeFile(filepath.Join(t.TempDir(), "none"), add); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("ChangeFile() where no ring is = %v", err)
	}
}

// Of keys that are added at once, each that was told is there.
func TestChangeFileAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	if _, err := seal.LoadFile(path); err != nil {
		t.Fatal(err)
	}
	var (
		mu    sync.Mutex
		added []string
		all   sync.WaitGroup
	)
	for range 16 {
		all.Go(func() {
			var id string
			err := seal.ChangeFile(path, func(text []byte) (next []byte, err error) {
				next, id, err = seal.Add(text)
				return next, err
			})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				added = append(added, id)
			} else if !strings.Contains(err.Error(), "somebody else") {
				t.Error(err)
			}
		})
	}
	all.Wait()
	r, err := seal.ReadFile(path)
	if err != nil || len(added) == 0 || len(r.IDs()) != 1+len(added) {
		t.Fatalf("the ring has %v after %v were added, %v", r.IDs(), added, err)
	}
	for _, id := range added {
		if !r.Has(id) {
			t.Errorf("key %s was lost", id)
		}
	}
}
