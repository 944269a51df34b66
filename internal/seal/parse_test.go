package seal_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/seal"
)

func TestParseRefuses(t *testing.T) {
	var many strings.Builder
	for i := range 33 {
		fmt.Fprintf(&many, `,"k%d":"%s"`, i, keyText)
	}
	tests := []struct{ name, text, want string }{
		{"empty", ``, "must be a JSON object of texts"},
		{"not JSON", `canary`, "must be a JSON object of texts"},
		{"an array", `["canary"]`, "must be a JSON object of texts"},
		{"null", `null`, "must be a JSON object of texts"},
		{"cut off", `{"primary":"k1","k1":"` + keyText, "must be a JSON object of texts"},
		{"cut off after an entry", `{"primary":"k1","k1":"` + keyText + `"`, "must be a JSON object of texts"},
		{"more behind it", oldRing + `canary`, "must be a JSON object of texts"},
		{"a key that is an object", `{"primary":"k1","k1":{"canary":"` + keyText + `"}}`, "must be a JSON object of texts"},
		{"a key that is a number", `{"primary":"k1","k1":1234567890123456789012345678901234}`, "must be a JSON object of texts"},
		{"no primary", `{"k1":"` + keyText + `"}`, `"primary" must be the ID of one of its keys`},
		{"no key", `{"primary":"k1"}`, `"primary" must be the ID of one of its keys`},
		{"primary is the key itself", `{"primary":"` + keyText + `","k1":"` + keyText + `"}`, `"primary" must be the ID of one of its keys`},
		{"ID and key swapped", `{"primary":"k1","` + keyText + `!":"k1"}`, "the ID of a key must be 1 to 32 of"},
		{"empty ID", `{"primary":"","":"` + keyText + `"}`, "the ID of a key must be 1 to 32 of"},
		{"ID with a dot", `{"primary":"k.1","k.1":"` + keyText + `"}`, "the ID of a key must be 1 to 32 of"},
		{"short key", `{"primary":"k1","k1":"` + keyText[1:] + `"}`, "of 32 to 1024 bytes, one has 31"},
		{"long key", `{"primary":"k1","k1":"` + strings.Repeat("canary", 200) + `"}`, "of 32 to 1024 bytes, one has 1200"},
		{"an entry twice", `{"primary":"k1","k1":"` + keyText + `","k1":"` + newText + `"}`, "two entries of one ID"},
		{"primary twice", `{"primary":"k1","k1":"` + keyText + `","primary":"k1"}`, "two entries of one ID"},
		{"too many keys", `{"primary":"k1"` + many.String() + `}`, "over 32 keys"},
		{"too large", `{"primary":"k1","k1":"` + keyText + `"}` + strings.Repeat(" ", 64<<10), "over 65536 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := seal.Parse([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("Parse() = %v, %v, want an error with %q", r, err, tt.want)
			}
			if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "12345") {
				t.Errorf("the error quotes the text: %v", err)
			}
		})
	}
}

func TestGenerate(t *testing.T) {
	one, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	two, err := seal.Generate()
	if err != nil {
		t.Fatal(err)
	}
	text := sealed(t, parse(t, string(one)))
	if got, err := parse(t, string(one)).Open(device, seal.FieldRefreshToken, text); err != nil || got != canary {
		t.Errorf("Open() with the same ring, read again = %q, %v", got, err)
	}
	if _, err := parse(t, string(two)).Open(device, seal.FieldRefreshToken, text); !isUnknown(err) {
		t.Errorf("Open() with another ring = %v, want an UnknownKeyError", err)
	}
	var entries map[string]string
	if err := json.Unmarshal(one, &entries); err != nil || len(entries) != 2 || len(entries[entries["primary"]]) < 52 {
		t.Errorf("Generate() has %d entries, %v, want primary and a key of 256 bits in base32", len(entries), err)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{oldRing, `{}`, `null`, `{"primary":"k1"}`, `{"primary":1}`, `[]`, oldRing + oldRing, `{"primary":"k1","k1":{}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := seal.Parse(text)
		if err != nil {
			if s := err.Error(); len(s) > 200 || bytes.Contains(text, []byte(keyText)) && strings.Contains(s, keyText) {
				t.Errorf("Parse(%q) = %q", text, s)
			}
			return
		}
		s := sealed(t, r)
		if got, err := r.Open(device, seal.FieldRefreshToken, s); err != nil || got != canary {
			t.Errorf("Open() = %q, %v with ring %q", got, err, text)
		}
	})
}
