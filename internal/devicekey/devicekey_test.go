package devicekey_test

import (
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/devicekey"
)

func TestKeyLeadsToItsThing(t *testing.T) {
	const name = "ACME-VAC-1::SN:2B1"
	key := devicekey.New(name)
	if got, err := devicekey.Thing(key); err != nil || got != name {
		t.Errorf("Thing() = %q, %v, want %q", got, err, name)
	}
	if !devicekey.Matches(key, devicekey.Hash(key)) {
		t.Error("Matches() = false for the key's own hash")
	}
	other := devicekey.New(name)
	if other == key {
		t.Fatal("New() made the same key twice")
	}
	if devicekey.Matches(other, devicekey.Hash(key)) || devicekey.Matches(key, "") {
		t.Error("Matches() = true for a foreign or an empty hash")
	}
	if id := devicekey.PairingID(key); len(id) != 32 || strings.Contains(devicekey.Hash(key), id) || id == devicekey.PairingID(other) {
		t.Errorf("PairingID() = %q, want 32 digits that are its own and not part of the hash", id)
	}
}

func TestThingRefuses(t *testing.T) {
	key := devicekey.New("VAC::SN1")
	_, secret, _ := strings.Cut(key, ".")
	for _, bad := range []string{"", ".", secret, "." + secret, key + "A", key[:len(key)-1], "VkFD." + secret, strings.Repeat("A", 300) + "." + secret} {
		if name, err := devicekey.Thing(bad); err == nil {
			t.Errorf("Thing(%q) = %q, want an error", bad, name)
		}
	}
}
