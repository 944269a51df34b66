package interop_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

func TestRequestsOAuthlib(t *testing.T) {
	const site = "site"
	s := stranger(t, "requests-oauthlib", "code, PKCE, refresh, profile, client credentials, refusals")
	command := need(t, "python3", filepath.Join("python", site, "requests_oauthlib"))
	found, err := filepath.Glob(filepath.Join("python", site, "requests_oauthlib-*.dist-info"))
	if err != nil || len(found) != 1 {
		t.Fatalf("versions of requests-oauthlib: %v, %v; make interop fetches one", found, err)
	}
	s.version = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(found[0]), "requests_oauthlib-"), ".dist-info")
	sw := lwatest.DefaultSwitches()
	sw.Consent = lwatest.Allow
	a := newSandbox(t, lwatest.Options{Switches: &sw})
	run(t, "python", command, append(a.env(), "PYTHONPATH="+site, "PYTHONDONTWRITEBYTECODE=1"), "flow.py")
}
