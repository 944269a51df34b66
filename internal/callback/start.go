package callback

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/restock-dev/restock/internal/store"
)

// start is the pairing page: the device that the address names, by itself or through a
// pairing, or a form that asks for one.
func (h *Handler) start(_ http.ResponseWriter, r *http.Request) (*page, error) {
	q, ok := query(r, "device_model", "serial", "pairing")
	switch {
	case !ok:
		return badLink(), nil
	case len(q) == 0:
		return formPage(http.StatusOK, q), nil
	}
	for _, name := range []string{"device_model", "serial"} { // typed on a phone
		if q.Has(name) {
			q.Set(name, strings.TrimSpace(q.Get(name)))
		}
	}
	d, p, bad, err := h.wanted(r.Context(), q)
	switch {
	case bad != nil || err != nil:
		return bad, err
	case p == nil:
		return devicePage(d, loginLink(d, "Login with Amazon")), nil
	}
	out := devicePage(d, pairingLink(p.ID, "Login with Amazon"))
	if p.ByOwner {
		return out, nil
	}
	// Anybody can start such a pairing, and its key takes the place of the present one.
	reg := &store.Registration{Thing: p.Thing}
	if err := h.Store.Get(r.Context(), reg); err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("reading registration of %s: %w", p.Thing, err)
	}
	if reg.Status == store.Active {
		warnConnected(out)
	}
	return out, nil
}
