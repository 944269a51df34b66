package main

import (
	"strings"
	"testing"

	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func TestList(t *testing.T) {
	srv := lwatest.NewServer(t)
	c := srv.Client()
	var out strings.Builder
	if err := list(t.Context(), c, srv.URL+"/api/appstore/v1/applications", &out); err != nil || !strings.HasPrefix(out.String(), "200 OK\n{") {
		t.Errorf("%v: %s", err, out.String())
	}
	c.ClientSecret = lwa.NewSecret("mistyped")
	if err := list(t.Context(), c, srv.URL+"/api/appstore/v1/applications", &out); !strings.Contains(lwa.Explain(err), "client secret is wrong") {
		t.Errorf("with a wrong secret: %v", err)
	}
}
