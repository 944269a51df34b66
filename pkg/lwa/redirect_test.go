package lwa_test

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/restock-dev/restock/pkg/lwa"
)

func TestReadRedirect(t *testing.T) {
	q := url.Values{"code": {canaryCode}, "scope": {"profile postal_code"}, "state": {"s-1"}}
	got, err := lwa.ReadRedirect(q, "s-1")
	if err != nil || got.Code != canaryCode || !slices.Equal(got.Scopes, []string{"profile", "postal_code"}) {
		t.Errorf("ReadRedirect() = %v, %v", got, err)
	}
	refuseCanaries(t, "print", fmt.Sprintf("%v %+v %#v", got, *got, got))

	for _, wrong := range []string{"", "s-2", "s-1 ", "S-1"} {
		if _, err := lwa.ReadRedirect(q, wrong); !errors.Is(err, lwa.ErrState) || lwa.Explain(err) == "" {
			t.Errorf("state %q: %v, want ErrState", wrong, err)
		}
	}
	if _, err := lwa.ReadRedirect(url.Values{"code": {canaryCode}}, ""); !errors.Is(err, lwa.ErrState) {
		t.Errorf("no state at all: %v, want ErrState", err)
	}
	// An error for another sign-in is none of ours.
	if _, err := lwa.ReadRedirect(url.Values{"error": {"access_denied"}, "state": {"s-2"}}, "s-1"); !errors.Is(err, lwa.ErrState) {
		t.Errorf("another's error: %v, want ErrState", err)
	}
}

func TestRedirectThatMakesNoSense(t *testing.T) {
	for name, query := range map[string]string{
		"nothing": "state=s-1", "no code": "state=s-1&code=", "two codes": "state=s-1&code=a&code=b", "two states": "state=s-1&state=s-1&code=a",
		"odd code": "state=s-1&code=a%0ab", "long code": "state=s-1&code=" + strings.Repeat("x", 2049),
	} {
		q, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := lwa.ReadRedirect(q, "s-1"); err == nil {
			t.Errorf("%s: %v, want an error", name, got)
		}
	}
	// What comes with the browser may be anybody's text.
	q := url.Values{"state": {"s-1"}, "code": {canaryCode}, "error": {"x\x1b[31m" + canaryCode}, "error_description": {"<script> " + canaryCode + strings.Repeat("y", 5000)}}
	_, err := lwa.ReadRedirect(q, "s-1")
	if e := wantError(t, err); e.Code != "" || len(err.Error()) > 500 {
		t.Errorf("error = %v", err)
	}
	refuseCanaries(t, "error", fmt.Sprintf("%v %+v", err, err))
}
