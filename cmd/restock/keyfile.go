package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/restock-dev/restock/internal/durable"
	"github.com/restock-dev/restock/internal/local"
	"github.com/restock-dev/restock/internal/thing"
)

// keyFile is what a device of `restock device` remembers, in a file that only its
// owner can read: as a real one would keep it in its flash memory.
type keyFile struct {
	Thing string `json:"thing"`
	// Key is the device key, "" before the first pairing.
	Key string `json:"device_key,omitempty"`
	// Pending is a pairing whose customer had not finished. Its key takes Key's place
	// once they have.
	Pending *pendingPairing `json:"pending,omitempty"`

	path string
}

type pendingPairing struct {
	ID        string    `json:"id"`
	Key       string    `json:"device_key"`
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

// keyDirectory is where key files are unless a flag says otherwise.
func keyDirectory() (string, error) {
	data, err := local.DefaultData()
	if err != nil {
		return "", err
	}
	return filepath.Join(filepath.Dir(data), "devices"), nil
}

// loadKey reads a device's key file for one Restock; one that does not exist is empty.
func loadKey(directory, base string, d thing.Device) (*keyFile, error) {
	u, err := url.Parse(base)
	if err != nil {
		return nil, err
	}
	host := strings.NewReplacer(":", "_", "[", "", "]", "").Replace(u.Host)
	k := &keyFile{Thing: d.Name(), path: filepath.Join(directory, host, d.Model+"."+d.Serial+".json")}
	text, err := os.ReadFile(k.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return k, nil
	case err != nil:
		return nil, fmt.Errorf("reading the device's key: %w", err)
	}
	if json.Unmarshal(text, k) != nil || k.Thing != d.Name() {
		return nil, fmt.Errorf("%s does not hold the key of %s; move it away to pair anew", k.path, d.Name())
	}
	return k, nil
}

// save writes the file whole or not at all.
func (k *keyFile) save() error {
	text, err := json.Marshal(k)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(k.path), 0o700)
	}
	if err != nil {
		return fmt.Errorf("remembering the device's key: %w", err)
	}
	if err := durable.Replace(k.path, append(text, '\n')); err != nil {
		return fmt.Errorf("remembering the device's key: %w", err)
	}
	return nil
}
