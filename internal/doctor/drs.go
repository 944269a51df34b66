package doctor

import (
	"context"
	"errors"
	"net/http"

	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/lwa"
)

// CheckDRS checks whether DRS answers at base, "" for Amazon's own, by a call with a token
// that never was one.
func CheckDRS(ctx context.Context, base string, r lwa.Region, names Names, client *http.Client) (f Findings) {
	const check = "Dash Replenishment"
	if client == nil {
		client = &http.Client{Timeout: callTimeout}
	}
	at := base
	if at == "" {
		at = drs.DefaultURL
	}
	_, err := (&drs.Client{BaseURL: at, HTTPClient: client}).Subscriptions(ctx, "Atza|restock-doctor")
	var answer *drs.Error
	switch {
	case errors.Is(err, drs.ErrInvalidToken):
		f.OK(check, "%s answers.", at)
	case errors.As(err, &answer) && answer.Temporary():
		f.Warn(check, "", "Run restock doctor again in a few minutes.", "%s is in trouble (%d).", at, answer.StatusCode)
	case errors.As(err, &answer), err == nil:
		f.Fail(check, names.DRSURL, "Set the address of DRS; Amazon's own needs none.", "What answers at %s is not DRS.", at)
	default:
		f.Fail(check, names.DRSURL, "Look at the address, the network and the proxy settings.", "%s gives no answer.", at)
	}
	if base == "" && r != lwa.NA {
		f.Warn(check, names.DRSURL, "Set the host that Amazon gave you for this region.", "The host is that of North America, and the region of Login with Amazon is %s.", r)
	}
	return f
}
