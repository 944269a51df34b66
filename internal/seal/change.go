package seal

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/restock-dev/restock/internal/durable"
)

// Primary returns the ID of the key that seals.
func (r *Ring) Primary() string { return r.primary }

// IDs returns the IDs of all keys, sorted.
func (r *Ring) IDs() []string { return slices.Sorted(maps.Keys(r.keys)) }

// KeyID returns the ID of the key that a text was sealed with, "" for what is no sealed text.
func KeyID(sealed string) string {
	id, _, ok := split(sealed)
	if !ok {
		return ""
	}
	return id
}

// Add makes the text of a ring with one key more, of 256 random bits, which is primary from
// then on. The others stay, for what they have sealed.
//
// Errors: those of [Parse], and a ring that is full.
func Add(text []byte) (next []byte, id string, err error) {
	r, err := Parse(text)
	if err != nil {
		return nil, "", err
	}
	if len(r.keys) >= maxKeys {
		return nil, "", fmt.Errorf("key ring has %d keys already: remove those that nothing is sealed with any more", maxKeys)
	}
	entries, err := members(text)
	if err != nil {
		return nil, "", err
	}
	id = newID()
	entries["primary"], entries[id] = id, newMaterial()
	next, err = write(entries)
	return next, id, err
}

// Remove makes the text of a ring without a key. What that has sealed opens no more.
//
// Errors: those of [Parse], a key that is not there, and the primary key.
func Remove(text []byte, id string) ([]byte, error) {
	r, err := Parse(text)
	switch {
	case err != nil:
		return nil, err
	case !r.Has(id):
		return nil, fmt.Errorf("key ring has no key %.32q", id)
	case id == r.primary:
		return nil, fmt.Errorf("key %s is primary: add another first", id)
	}
	entries, err := members(text)
	if err != nil {
		return nil, err
	}
	delete(entries, id)
	return write(entries)
}

func newID() string       { return "k" + rand.Text()[:8] }
func newMaterial() string { return rand.Text() + rand.Text() } // 130 bits each

func write(entries map[string]string) ([]byte, error) {
	text, err := json.Marshal(entries)
	if err != nil {
		return nil, fmt.Errorf("writing a key ring: %w", err)
	}
	if _, err := Parse(text); err != nil { // nobody could read it again
		return nil, err
	}
	return append(text, '\n'), nil
}

// ReadFile reads the key ring at path, which must be there and private to its owner.
func ReadFile(path string) (*Ring, error) { return readFile(path) }

// ChangeFile replaces the key ring at path by what change makes of its text: all of it, or
// nothing. Of two who change it at the same time one gets an error.
func ChangeFile(path string, change func(text []byte) ([]byte, error)) error {
	if _, err := readFile(path); err != nil { // private, and a ring
		return err
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading key ring %s: %w", path, err)
	}
	next, err := change(text)
	if err != nil {
		return err
	}
	fresh := path + ".new"
	if err := durable.Create(fresh, next); err != nil {
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("somebody else is changing the key ring %s: try again, or remove %s if nobody is", path, fresh)
		}
		return fmt.Errorf("writing key ring %s: %w", fresh, err)
	}
	// From here on nobody else gets this far, so what was read is compared under a lock.
	if now, err := os.ReadFile(path); err != nil || string(now) != string(text) {
		os.Remove(fresh)
		return fmt.Errorf("the key ring %s was changed by somebody else at the same time: nothing was changed, try again", path)
	}
	if err := os.Rename(fresh, path); err != nil {
		os.Remove(fresh)
		return fmt.Errorf("replacing key ring %s: %w", path, err)
	}
	return durable.SyncDir(filepath.Dir(path))
}
