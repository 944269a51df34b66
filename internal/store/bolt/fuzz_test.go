package bolt_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"os"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
)

// FuzzOpen writes bytes somewhere into a good data file and cuts it. It is refused, or
// can be used: no damage ends the process. With resum the pages that say where all is
// get a right checksum, so that what they say is put to the test.
func FuzzOpen(f *testing.F) {
	f.Add(uint32(0), []byte("x"), uint32(0), false)
	f.Add(uint32(16+16), []byte{3}, uint32(0), true) // root of the tree
	f.Add(uint32(16+32), []byte{3}, uint32(0), true) // free list
	f.Add(uint32(16+40), []byte{0xff, 0xff, 0xff}, uint32(0), true)
	f.Add(uint32(8), []byte{8, 0}, uint32(0), true) // page size
	f.Add(uint32(pageSize*5+8), []byte{1}, uint32(0), false)
	f.Add(uint32(pageSize*5+10), []byte{0xff, 0xff}, uint32(0), false)
	f.Add(uint32(0), []byte{}, uint32(pageSize*4), false)
	f.Fuzz(func(t *testing.T, at uint32, put []byte, cut uint32, resum bool) {
		text := bytes.Clone(sample())
		copy(text[int(at)%len(text):], put)
		text = text[:len(text)-int(cut)%len(text)]
		if resum {
			resumMeta(text, 0)
			resumMeta(text, pageSize)
		}
		path := newPath(t)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		use(t, path, text)
	})
}

func use(t *testing.T, path string, text []byte) {
	s, err := bolt.Open(path, bolt.Options{Now: func() time.Time { return sampleTime }})
	if err != nil {
		if !errors.Is(err, bolt.ErrDamaged) {
			t.Errorf("Open() = %v, want ErrDamaged", err)
		}
		wantBytes(t, path, text)
		return
	}
	contents(t, s)
	rec := &store.Message{Thing: "new", ID: "1", Slot: "filter"}
	switch err := s.Put(t.Context(), rec); {
	case errors.Is(err, bolt.ErrDamaged):
	case err != nil:
		t.Errorf("Put() = %v", err)
	default:
		got := &store.Message{Thing: "new", ID: "1"}
		if err := s.Get(t.Context(), got); err != nil || got.Slot != "filter" {
			t.Errorf("Get() after Put() = %+v, %v", got, err)
		}
	}
	if _, err := s.Sweep(t.Context(), 10); err != nil && !errors.Is(err, bolt.ErrDamaged) {
		t.Errorf("Sweep() = %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// resumMeta gives the meta page at an offset the checksum of what is in it.
func resumMeta(text []byte, at int) {
	const head, size = 16, 56
	if len(text) < at+head+size+8 {
		return
	}
	sum := fnv.New64a()
	_, _ = sum.Write(text[at+head : at+head+size])
	binary.NativeEndian.PutUint64(text[at+head+size:], sum.Sum64())
}
