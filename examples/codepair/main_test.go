package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func TestSignIn(t *testing.T) {
	srv, err := lwatest.New(lwatest.Options{Clock: lwatest.NewStoppedClock(time.Date(2026, 1, 8, 12, 0, 0, 0, time.UTC))})
	if err != nil {
		t.Fatal(err)
	}
	c := srv.Client()
	c.ClientSecret = lwa.Secret{}
	var out strings.Builder
	c.Wait = func(_ context.Context, d time.Duration) error { // meanwhile the customer enters the code
		srv.Clock().Advance(d)
		_, code, _ := strings.Cut(strings.TrimSpace(out.String()), " and enter ")
		return srv.EnterCode(code, lwatest.Visitor{})
	}
	if err := signIn(t.Context(), c, &out); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("is signed in until %s", srv.Clock().Now().Add(time.Hour)); !strings.Contains(out.String(), want) {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}
