package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
)

const (
	maxRing    = 64 << 10 // bytes: the most that Secrets Manager stores
	maxKeys    = 32
	minKeyText = 32 // bytes; what CloudFormation generates has 32 unless told otherwise
	maxKeyText = 1 << 10
	keySize    = 32 // bytes: AES-256
	hkdfInfo   = "restock/seal/v1"
)

var idForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,32}$`)

// Parse reads a key ring, {"primary":"k1","k1":"<random text>", …}: "primary" names the
// entry that seals, every other entry is a key.
//
// Errors say what to change and tell nothing of the text, where a key may stand in the
// wrong place.
func Parse(text []byte) (*Ring, error) {
	entries, err := members(text)
	if err != nil {
		return nil, err
	}
	r := &Ring{primary: entries["primary"], keys: map[string]key{}}
	delete(entries, "primary")
	if len(entries) > maxKeys {
		return nil, fmt.Errorf("key ring has over %d keys: remove the oldest", maxKeys)
	}
	for id, material := range entries {
		if !idForm.MatchString(id) {
			return nil, errors.New("key ring: the ID of a key must be 1 to 32 of A-Z a-z 0-9 _ -")
		}
		if len(material) < minKeyText || len(material) > maxKeyText {
			return nil, fmt.Errorf("key ring: a key must be a random text of %d to %d bytes, one has %d", minKeyText, maxKeyText, len(material))
		}
		if r.keys[id], err = derive(material); err != nil {
			return nil, err
		}
	}
	if !r.Has(r.primary) {
		return nil, errors.New(`key ring: "primary" must be the ID of one of its keys`)
	}
	return r, nil
}

// members reads a JSON object of strings. An entry that is there twice is an error:
// which of the two sealed what is stored is anyone's guess.
func members(text []byte) (map[string]string, error) {
	if len(text) > maxRing {
		return nil, fmt.Errorf("key ring is over %d bytes", maxRing)
	}
	errForm := errors.New(`key ring must be a JSON object of texts, like {"primary":"k1","k1":"<random text>"}`)
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errForm // not err: it may quote the text
	}
	entries := map[string]string{}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return nil, errForm
		}
		value, err := d.Token()
		s, ok := value.(string)
		if err != nil || !ok {
			return nil, errForm
		}
		if _, twice := entries[name.(string)]; twice { // the name of a member is a string, or Token had failed
			return nil, errors.New("key ring has two entries of one ID: remove one")
		}
		entries[name.(string)] = s
	}
	if _, err := d.Token(); err != nil {
		return nil, errForm
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errForm
	}
	return entries, nil
}

// derive makes the key of an entry. Its text is random, so that HKDF needs no salt.
func derive(material string) (key, error) {
	secret, err := hkdf.Key(sha256.New, []byte(material), nil, hkdfInfo, keySize)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("deriving a key: %w", err)
	}
	return func() cipher.AEAD { return aead }, nil
}

// Generate makes the text of a new ring with one key of 256 random bits. Its ID is
// random too, so that the texts of a lost ring name a key that the next does not have.
func Generate() ([]byte, error) {
	id := newID()
	return write(map[string]string{"primary": id, id: newMaterial()})
}
