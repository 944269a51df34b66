package lwa_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/pkg/lwa"
)

// nested holds a secret where fmt can call no method of it.
type nested struct {
	name   string
	secret lwa.Secret
	more   *lwa.Secret
	list   []lwa.Secret
	byName map[string]lwa.Secret
}

func TestSecretPrintsNothing(t *testing.T) {
	s := lwa.NewSecret(canarySecret)
	n := nested{"n", s, &s, []lwa.Secret{s}, map[string]lwa.Secret{"k": s}}
	client := lwa.Client{ClientID: "id", ClientSecret: s}
	values := []any{s, &s, n, &n, []any{s}, [1]lwa.Secret{s}, map[string]any{"k": s}, client, &client, struct{ S lwa.Secret }{s}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%b", "%o", "%t", "%e", "%U", "%c", "%p", "%T", "%10.3s", "%!"} {
		for _, v := range values {
			refuseEncoded(t, verb, fmt.Sprintf(verb, v))
		}
	}
	for _, v := range values {
		b, err := json.Marshal(v)
		if err != nil && !strings.Contains(err.Error(), "unsupported type: func") { // a Client holds functions
			t.Fatal(err)
		}
		refuseEncoded(t, "JSON", string(b))
		for _, h := range []func(*bytes.Buffer) slog.Handler{
			func(b *bytes.Buffer) slog.Handler { return slog.NewJSONHandler(b, nil) },
			func(b *bytes.Buffer) slog.Handler { return slog.NewTextHandler(b, nil) },
		} {
			var log bytes.Buffer
			slog.New(h(&log)).Info("m", "v", v)
			refuseEncoded(t, "slog", log.String())
		}
		refuseEncoded(t, "panic text", fmt.Sprint(fmt.Errorf("x: %v", v)))
	}
	if got := s.GoString(); got != "[redacted]" {
		t.Errorf("GoString() = %q", got)
	}
	if text, err := s.MarshalText(); err != nil || string(text) != "[redacted]" {
		t.Errorf("MarshalText() = %q, %v", text, err)
	}
}

// refuseEncoded looks for the canary as text and in hexadecimal.
func refuseEncoded(t *testing.T, how, text string) {
	t.Helper()
	refuseCanaries(t, how, text)
	for _, form := range []string{"%x", "%X", "% x", "%v"} {
		if encoded := fmt.Sprintf(form, []byte(canarySecret)); strings.Contains(text, strings.Trim(encoded, "[]")) {
			t.Errorf("%s holds the secret encoded: %s", how, text)
		}
	}
}

// TestSecretDiff: a comparing package that goes through unexported fields finds
// nothing either, even when it explains a difference.
func TestSecretDiff(t *testing.T) {
	a := lwa.Token{AccessToken: lwa.NewSecret(canaryAccess)}
	b := lwa.Token{AccessToken: lwa.NewSecret(canaryRefresh)}
	diff := cmp.Diff(a, b)
	if diff == "" {
		t.Error("two different tokens are the same")
	}
	refuseCanaries(t, "diff", diff)
	exported := cmp.Diff(nested{secret: lwa.NewSecret(canarySecret)}, nested{}, cmp.AllowUnexported(nested{}, lwa.Secret{}))
	refuseCanaries(t, "diff of unexported fields", exported)
}

func TestSecretEqual(t *testing.T) {
	a := lwa.NewSecret("a")
	for _, tt := range []struct {
		name string
		b    lwa.Secret
		want bool
	}{
		{"itself", a, true},
		{"the same value", lwa.NewSecret("a"), true},
		{"another value", lwa.NewSecret("b"), false},
		{"longer", lwa.NewSecret("aa"), false},
		{"empty", lwa.Secret{}, false},
	} {
		if got := a.Equal(tt.b); got != tt.want {
			t.Errorf("Equal(%s) = %t, want %t", tt.name, got, tt.want)
		}
	}
	if !lwa.NewSecret("").Equal(lwa.Secret{}) || !lwa.NewSecret("").IsZero() || a.IsZero() {
		t.Error("the empty secret is not the zero secret")
	}
	if got := lwa.NewSecret("väl|ue").Reveal(); got != "väl|ue" {
		t.Errorf("Reveal() = %q", got)
	}
	if got := fmt.Sprint(lwa.Secret{}, a); got != "[empty] [redacted]" {
		t.Errorf("printed = %q", got)
	}
}

// A secret is read from a configuration, and what was printed of one is not taken for it.
func TestSecretFromConfiguration(t *testing.T) {
	var conf struct{ ID, Secret, None lwa.Secret }
	if err := json.Unmarshal([]byte(`{"ID": "amzn1", "Secret": "`+canarySecret+`", "None": ""}`), &conf); err != nil {
		t.Fatal(err)
	}
	if conf.Secret.Reveal() != canarySecret || conf.ID.Reveal() != "amzn1" || !conf.None.IsZero() {
		t.Errorf("read %q, %q", conf.ID.Reveal(), conf.Secret.Reveal())
	}
	printed, err := json.Marshal(conf)
	if err != nil {
		t.Fatal(err)
	}
	refuseCanaries(t, "JSON", string(printed))
	if err := json.Unmarshal(printed, &conf); err == nil || !strings.Contains(err.Error(), "redacted") {
		t.Errorf("error = %v for %s, want one that says that there is no secret in it", err, printed)
	}
	if conf.Secret = lwa.NewSecret("x"); json.Unmarshal([]byte(`{"Secret":"[empty]"}`), &conf) != nil || !conf.Secret.IsZero() {
		t.Error("an empty secret that was printed is not an empty one")
	}
}
