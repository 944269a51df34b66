package doctor

import (
	"context"
	"errors"

	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
)

// Records are where registrations are.
type Records interface {
	Get(ctx context.Context, rec store.Record) error
}

// CheckRing checks that a key ring seals and opens, and that it opens what is stored for
// things; nil records: nothing that is stored is tried. setting is where the ring comes from.
func CheckRing(ctx context.Context, ring *seal.Ring, setting string, records Records, things []string) (f Findings) {
	const check = "key ring"
	const putBack = "Put the entry back that sealed it, or the ring itself; a device whose tokens can't be opened has to be paired again."
	if sealed, err := ring.Seal("doctor", seal.FieldVerifier, "text"); err != nil || !opens(ring, "doctor", seal.FieldVerifier, sealed) {
		f.Fail(check, setting, "Make a new entry the primary one.", "It does not open what it has just sealed.")
		return f
	}
	if records == nil {
		f.OK(check, "It seals and opens.")
		return f
	}
	opened := 0
	for _, thing := range things {
		r := &store.Registration{Thing: thing}
		switch err := records.Get(ctx, r); {
		case errors.Is(err, store.ErrNotFound):
			continue
		case err != nil:
			f.Fail("stored tokens", setting, "Look at what the store says.", "The registration of %s can't be read: %v.", thing, err)
			return f
		}
		for field, text := range map[string]string{seal.FieldAccessToken: r.AccessToken, seal.FieldRefreshToken: r.RefreshToken} {
			if text == "" {
				continue
			}
			if !opens(ring, thing, field, text) {
				f.Fail("stored tokens", setting, putBack, "The %s of %s does not open with the key ring.", field, thing)
				return f
			}
			opened++
		}
	}
	if opened == 0 {
		f.OK(check, "It seals and opens. No token is stored that it could be tried on.")
		return f
	}
	f.OK(check, "It opens the %d stored tokens that were tried.", opened)
	return f
}

func opens(ring *seal.Ring, thing, field, text string) bool {
	_, err := ring.Open(thing, field, text)
	return err == nil
}
