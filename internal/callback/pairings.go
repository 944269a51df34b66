package callback

import (
	"errors"
	"net/http"
	"time"

	"github.com/restock-dev/restock/internal/devicekey"
	"github.com/restock-dev/restock/internal/pairing"
	"github.com/restock-dev/restock/internal/web"
)

// startPairing starts a pairing for a device that has no browser. With the present
// device key it may move the device to another customer.
func (h *Handler) startPairing(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		device
		DeviceKey string `json:"device_key"`
	}
	if err := web.ReadJSON(w, r, &body); err != nil {
		return err
	}
	d, err := body.check()
	if err != nil {
		return err
	}
	byOwner, err := h.byOwner(r, d.Name(), body.DeviceKey)
	if err != nil {
		return err
	}
	starter := pairing.Starter{Store: h.Store, RedirectURL: h.RedirectURL, Now: h.Now}
	p, err := starter.Start(r.Context(), d, byOwner)
	if err != nil {
		return unavailable(err)
	}
	return web.WriteJSON(w, http.StatusCreated, struct {
		ID        string    `json:"id"`
		DeviceKey string    `json:"device_key"`
		URL       string    `json:"url"`
		ExpiresAt time.Time `json:"expires_at"`
		Interval  int       `json:"interval"` // seconds
	}{p.ID, p.DeviceKey, p.URL, p.ExpiresAt, int(p.Interval.Seconds())})
}

// byOwner reports whether the request shows the present key of the thing, in the
// Authorization header as everywhere, or in the body. No key is fine, a wrong one is not.
func (h *Handler) byOwner(r *http.Request, name, inBody string) (bool, error) {
	key := web.Bearer(r)
	switch {
	case key == "" && r.Header.Get("Authorization") != "":
		return false, web.Unauthorized()
	case key != "" && inBody != "" && key != inBody:
		return false, web.BadField("device_key", "device_key differs from the one in the Authorization header")
	case key == "":
		key = inBody
	}
	if key == "" {
		return false, nil
	}
	if claimed, err := devicekey.Thing(key); err != nil || claimed != name {
		return false, web.Unauthorized()
	}
	_, err := pairing.Authenticate(r.Context(), h.Store, key)
	return err == nil, keyProblem(err)
}

// pairingStatus tells a device how far its pairing has come.
func (h *Handler) pairingStatus(w http.ResponseWriter, r *http.Request) error {
	status, name, err := pairing.Status(r.Context(), h.Store, r.PathValue("id"), web.Bearer(r))
	if err != nil {
		return keyProblem(err)
	}
	return web.WriteJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
		Thing  string `json:"thing"`
	}{string(status), name})
}

// keyProblem returns the answer to a device key that did not lead anywhere.
func keyProblem(err error) error {
	switch {
	case errors.Is(err, pairing.ErrNotPairedYet):
		return web.New(web.CodeNotPairedYet, "the customer has not finished the pairing of this device key")
	case errors.Is(err, pairing.ErrWrongKey):
		return web.Unauthorized()
	}
	return unavailable(err)
}
