package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/restock-dev/restock/internal/store"
)

// Every type of record comes back whole: full, and with nothing but its key.
func roundTrip(t *testing.T, w *world) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			full := filled(kind(device, "full"), "some text")
			full.Base().ExpiresAt = start.Add(1 << 40)
			w.put(t, full)
			w.wantStored(t, full)

			empty := kind(device+"-empty", "empty")
			w.put(t, empty)
			w.wantStored(t, empty)

			got := filled(kind(device+"-empty", "empty"), "left over") // Get clears what is not stored
			if err := w.Get(t.Context(), got); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(empty, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("Get() into a record that was in use differs (-want +got):\n%s", diff)
			}
		})
	}
}

func oddText(t *testing.T, w *world) {
	for i, text := range []string{
		"<&>\"'\\", "line\nline\r\n\ttab", "\x00\x01\x7f", "größer 補充 🧺", "{\"json\":true}", "null", "0", strings.Repeat("long ", 4000),
	} {
		for name, kind := range kinds {
			rec := filled(kind(fmt.Sprint(device, i), "odd"), text)
			w.put(t, rec)
			w.wantStored(t, rec)
			if t.Failed() {
				t.Fatalf("%s with text %.20q", name, text)
			}
		}
	}
}

// Keys hold what devices choose. No two records share a place, whatever their keys.
func oddKeys(t *testing.T, w *world) {
	var all strings.Builder
	for c := byte(' '); c <= '~'; c++ {
		all.WriteByte(c)
	}
	ids := []string{
		all.String(), strings.Repeat("~", 128), " ", "#", "/", "a", "a ", " a", "a#b", "a/b", "MSG#a", "REG", "%2F", "..", "\"", "\\", "{}", "a::b",
	}
	var recs []store.Record
	for _, id := range ids {
		recs = append(recs, &store.Message{Thing: device, ID: id}, &store.Order{Thing: device, InstanceID: id}, &store.Notification{Thing: device, ID: id})
	}
	for _, thing := range []string{device, device + "1", "ACME-VAC-1::SN000", "ACME:2BVAC::SN_1", strings.Repeat("a", 63) + "::" + strings.Repeat("b", 63)} {
		recs = append(recs, &store.Registration{Thing: thing}, &store.Message{Thing: thing, ID: "same"})
	}
	recs = append(recs, &store.Login{StateHash: "ab"}, &store.Login{StateHash: "abc"}, &store.Pairing{ID: "ab"})
	for i, rec := range recs {
		// The expiry tells them apart once they are read.
		rec.Base().ExpiresAt = start.AddDate(1, 0, i)
		w.put(t, rec)
	}
	for _, rec := range recs {
		w.wantStored(t, rec)
	}
}

func notFound(t *testing.T, w *world) {
	for name, kind := range kinds {
		rec := filled(kind(device, "none"), "untouched")
		before := clone(rec)
		if err := w.Get(t.Context(), rec); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get(%s that never was) = %v, want ErrNotFound", name, err)
		}
		if diff := cmp.Diff(before, rec); diff != "" {
			t.Errorf("Get(%s that never was) changed its record:\n%s", name, diff)
		}
	}
}

// A call whose context is done does nothing.
func cancelled(t *testing.T, w *world) {
	stored := message("stored")
	w.put(t, stored)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	fresh := message("fresh")
	for name, call := range map[string]func() error{
		"Get":             func() error { return w.Get(done, keyOnly(stored)) },
		"Put(new)":        func() error { return w.Put(done, fresh) },
		"Put(existing)":   func() error { return w.Put(done, clone(stored)) },
		"Delete":          func() error { return w.Delete(done, clone(stored)) },
		"Due":             func() error { _, err := w.Due(done, "0", start, 10); return err },
		"Due, for no one": func() error { _, err := w.Due(done, "none", start, 10); return err },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context = %v, want context.Canceled", name, err)
		}
	}
	if fresh.Version != 0 {
		t.Errorf("Put() with a cancelled context left version %d, want 0", fresh.Version)
	}
	w.wantAbsent(t, fresh)
	w.wantStored(t, stored)
}
