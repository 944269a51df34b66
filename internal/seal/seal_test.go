package seal_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/restock-dev/restock/internal/seal"
)

const (
	device  = "ACME-VAC-1::SN0001"
	canary  = "Atzr|canary-refresh-token"
	keyText = "canary-key-0123456789-0123456789" // 32 bytes, the shortest
	oldRing = `{"primary":"k1","k1":"` + keyText + `"}`
	newText = "canary-new-0123456789-0123456789"
)

func parse(t testing.TB, text string) *seal.Ring {
	t.Helper()
	r, err := seal.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func sealed(t testing.TB, r *seal.Ring) string {
	t.Helper()
	text, err := r.Seal(device, seal.FieldRefreshToken, canary)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// byHand makes a sealed text from the description in the package documentation, with
// HKDF from RFC 5869.
func byHand(t testing.TB, id, key, thing, field, plain string) string {
	t.Helper()
	mac := func(key []byte, parts ...[]byte) []byte {
		h := hmac.New(sha256.New, key)
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	secret := mac(mac(make([]byte, sha256.Size), []byte(key)), []byte("restock/seal/v1"), []byte{1})
	block, err := aes.NewCipher(secret)
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	var data []byte
	for _, p := range []string{thing, field, id} {
		data = append(binary.BigEndian.AppendUint64(data, uint64(len(p))), p...)
	}
	nonce := []byte("twelve bytes")
	return "v1." + id + "." + base64.RawURLEncoding.EncodeToString(gcm.Seal(nonce, nonce, []byte(plain), data))
}

func TestFormat(t *testing.T) {
	r := parse(t, oldRing)
	got, err := r.Open(device, seal.FieldRefreshToken, byHand(t, "k1", keyText, device, seal.FieldRefreshToken, canary))
	if err != nil || got != canary {
		t.Errorf("Open(text made by hand) = %q, %v, want %q", got, err, canary)
	}
	if id, ok := strings.CutPrefix(sealed(t, r), "v1.k1."); !ok || strings.Contains(id, ".") {
		t.Errorf("Seal() = %q, want v1.k1.<base64url>", sealed(t, r))
	}
}

func TestSealIsRandom(t *testing.T) {
	r := parse(t, oldRing)
	if first, second := sealed(t, r), sealed(t, r); first == second {
		t.Error("the same token was sealed to the same text twice")
	}
}

func TestBoundToItsPlace(t *testing.T) {
	r := parse(t, `{"primary":"k1","k1":"`+keyText+`","k2":"`+keyText+`"}`)
	text := sealed(t, r)
	tests := []struct{ name, thing, field, text string }{
		{"another thing", "ACME-VAC-1::SN0002", seal.FieldRefreshToken, text},
		{"another field", device, seal.FieldAccessToken, text},
		{"thing and field that borrow from each other", device + "re", "fresh_token", text},
		{"another key ID of the same key", device, seal.FieldRefreshToken, strings.Replace(text, ".k1.", ".k2.", 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := r.Open(tt.thing, tt.field, tt.text); !errors.Is(err, seal.ErrSealed) || got != "" {
				t.Errorf("Open() = %q, %v, want ErrSealed", got, err)
			}
		})
	}
	if got, err := r.Open(device, seal.FieldRefreshToken, text); err != nil || got != canary {
		t.Errorf("Open() = %q, %v, want %q", got, err, canary)
	}
}

// There is one text for what is sealed: none that looks alike opens.
func TestNoOtherText(t *testing.T) {
	r := parse(t, oldRing)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, plain := range []string{"", "1", "12"} { // the last character has 0, 2 and 4 bits to spare
		text, err := r.Seal(device, seal.FieldVerifier, plain)
		if err != nil {
			t.Fatal(err)
		}
		others := []string{text + ".", text + ".x", text + "=", text + "\n", " " + text, text + text, strings.Replace(text, "v1.", "V1.", 1)}
		for _, c := range alphabet {
			if other := text[:len(text)-1] + string(c); other != text {
				others = append(others, other)
			}
		}
		for _, other := range others {
			if got, err := r.Open(device, seal.FieldVerifier, other); !errors.Is(err, seal.ErrSealed) {
				t.Errorf("Open(%q instead of %q) = %q, %v, want ErrSealed", other, text, got, err)
			}
		}
	}
}

// A key is changed without pairing anyone again.
func TestRotation(t *testing.T) {
	before := parse(t, oldRing)
	both := parse(t, `{"primary":"k2","k1":"`+keyText+`","k2":"`+newText+`"}`)
	after := parse(t, `{"primary":"k2","k2":"`+newText+`"}`)
	text := sealed(t, before)
	if got, err := both.Open(device, seal.FieldRefreshToken, text); err != nil || got != canary {
		t.Fatalf("Open(text of the old key) = %q, %v", got, err)
	}
	again := sealed(t, both)
	if got, err := after.Open(device, seal.FieldRefreshToken, again); err != nil || got != canary {
		t.Errorf("Open(text of the new key, once the old is gone) = %q, %v", got, err)
	}
	_, err := after.Open(device, seal.FieldRefreshToken, text)
	if e, ok := errors.AsType[*seal.UnknownKeyError](err); !ok || e.ID != "k1" {
		t.Errorf("Open(text of a key that is gone) = %v, want an UnknownKeyError of k1", err)
	}
}

func TestReloading(t *testing.T) {
	old := parse(t, oldRing)
	both := parse(t, `{"primary":"k2","k1":"`+keyText+`","k2":"`+newText+`"}`)
	var asked []string
	var answer *seal.Ring
	var fail error
	r := old.Reloading(func(id string) (*seal.Ring, error) {
		asked = append(asked, id)
		return answer, fail
	})
	open := func(text string) (string, error) { return r.Open(device, seal.FieldRefreshToken, text) }

	if got, err := open(sealed(t, old)); err != nil || got != canary || len(asked) != 0 {
		t.Errorf("Open(text of a key at hand) = %q, %v after %d reloads, want none", got, err, len(asked))
	}
	text := sealed(t, both)
	answer = both
	if got, err := open(text); err != nil || got != canary || fmt.Sprint(asked) != "[k2]" {
		t.Errorf("Open(text of a newer key) = %q, %v after reloads for %v", got, err, asked)
	}
	answer = old
	if _, err := open(text); !isUnknown(err) {
		t.Errorf("Open() = %v, want an UnknownKeyError where the reloaded ring lacks the key too", err)
	}
	fail = errors.New("no network")
	if _, err := open(text); !isUnknown(err) || !errors.Is(err, fail) {
		t.Errorf("Open() = %v, want an UnknownKeyError and the reason why the ring was not read again", err)
	}
	if _, err := old.Open(device, seal.FieldRefreshToken, text); !isUnknown(err) {
		t.Errorf("Open() of the ring itself = %v: Reloading must not change it", err)
	}
}

func isUnknown(err error) bool {
	_, ok := errors.AsType[*seal.UnknownKeyError](err)
	return ok
}

func TestSealedTooLong(t *testing.T) {
	r := parse(t, oldRing)
	longest := strings.Repeat("x", 16<<10)
	text, err := r.Seal(device, seal.FieldVerifier, longest)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.Open(device, seal.FieldVerifier, text); err != nil || got != longest {
		t.Errorf("Open(longest) = %d bytes, %v", len(got), err)
	}
	if _, err := r.Seal(device, seal.FieldVerifier, longest+"x"); err == nil || strings.Contains(err.Error(), "xxx") {
		t.Errorf("Seal(too long) = %v, want an error without the text", err)
	}
}

// Whatever is sealed opens, and no text that differs from it does.
func TestSealOpenProperty(t *testing.T) {
	r := parse(t, oldRing)
	rapid.Check(t, func(t *rapid.T) {
		thing, field, plain := rapid.String().Draw(t, "thing"), rapid.String().Draw(t, "field"), rapid.String().Draw(t, "plain")
		text, err := r.Seal(thing, field, plain)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Open(thing, field, text); err != nil || got != plain {
			t.Fatalf("Open() = %q, %v, want %q", got, err, plain)
		}
		changed := []byte(text)
		changed[rapid.IntRange(0, len(text)-1).Draw(t, "at")] ^= byte(rapid.IntRange(1, 255).Draw(t, "flip"))
		if got, err := r.Open(thing, field, string(changed)); err == nil || got != "" {
			t.Fatalf("Open(%q changed to %q) = %q, %v, want an error", text, changed, got, err)
		}
		other := [2]string{rapid.String().Draw(t, "other thing"), rapid.String().Draw(t, "other field")}
		if other == [2]string{thing, field} {
			return
		}
		if got, err := r.Open(other[0], other[1], text); err == nil || got != "" {
			t.Fatalf("Open(%q, text for %q, %q) = %q, %v, want an error", other, thing, field, got, err)
		}
	})
}

func TestNothingPrintsARing(t *testing.T) {
	r := parse(t, oldRing)
	type holder struct {
		ring   *seal.Ring
		source seal.Source
		Ring   *seal.Ring
	}
	h := holder{r, seal.Static(r), r}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "ring", r, "holder", h)
	out := log.String()
	for _, v := range []any{r, *r, h, &h} {
		text, _ := json.Marshal(v)
		out += string(text)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
			out += fmt.Sprintf(verb, v)
		}
	}
	if strings.Contains(out, "canary") || strings.Contains(out, fmt.Sprintf("%x", "canary")) || strings.Contains(out, "AEAD") {
		t.Errorf("a key is printed: %s", out)
	}
	if want := "key ring with primary key k1"; fmt.Sprintf("%+v", r) != want {
		t.Errorf("%%+v = %+v, want %s", r, want)
	}
}

func FuzzOpen(f *testing.F) {
	r := parse(f, oldRing)
	good := byHand(f, "k1", keyText, device, seal.FieldRefreshToken, canary) // the same in all processes
	for _, text := range []string{good, "", "v1.k1.", "v1..", "v2.k1.AAAA", "v1.k2.AAAA", good + "=", good[:20], "v1.k1." + strings.Repeat("A", 30000)} {
		f.Add(device, seal.FieldRefreshToken, text)
	}
	f.Fuzz(func(t *testing.T, thing, field, text string) {
		got, err := r.Open(thing, field, text)
		switch {
		case err == nil:
			if text != good || got != canary {
				t.Errorf("Open(%q) = %q, which nobody sealed", text, got)
			}
		case got != "":
			t.Errorf("Open(%q) = %q with error %v", text, got, err)
		case !isUnknown(err) && !errors.Is(err, seal.ErrSealed):
			t.Errorf("Open(%q) = %v, want an UnknownKeyError or ErrSealed", text, err)
		}
	})
}
