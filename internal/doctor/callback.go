package doctor

import (
	"context"
	"net/http"
	"strings"

	"github.com/restock-dev/restock/internal/pairing"
)

// CheckCallback checks that Restock answers at its redirect URL, by an answer of Amazon
// that lacks everything.
func CheckCallback(ctx context.Context, redirectURL string, names Names, client *http.Client) (f Findings) {
	const check = "callback page"
	if client == nil {
		client = &http.Client{Timeout: callTimeout}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, redirectURL, http.NoBody)
	if err != nil {
		return nil // the redirect URL's own check says it
	}
	stay := *client
	stay.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := stay.Do(req)
	if err != nil {
		if pairing.IsLoopback(req.URL.Hostname()) {
			f.Fail(check, names.RedirectURL, "Let it lead to the address of restock up, with /callback.", "Nothing answers at %s, where browsers come back to.", redirectURL)
			return f
		}
		f.Warn(check, names.RedirectURL, "See that its host name leads to Restock, with a certificate that browsers trust.", "Nothing answers at %s from here, where browsers come back to.", redirectURL)
		return f
	}
	_ = res.Body.Close() // nothing of it is read
	if res.StatusCode != http.StatusBadRequest || res.Header.Get("Referrer-Policy") != "no-referrer" || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") {
		f.Fail(check, names.RedirectURL, "Let it lead to Restock's /callback: host, stage and path.", "What answers at %s is not Restock's callback page (%d).", redirectURL, res.StatusCode)
		return f
	}
	f.OK(check, "Restock answers at %s.", redirectURL)
	return f
}
