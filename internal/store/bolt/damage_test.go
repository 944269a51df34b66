package bolt_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/bbolt"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/bolt"
)

var sampleTime = time.Date(2026, 1, 8, 10, 0, 0, 0, time.UTC)

// sample is the bytes of a data file with some of everything: a tree with branches,
// values over several pages, free pages, small buckets, buckets of others.
var sample = sync.OnceValue(func() []byte {
	dir, err := os.MkdirTemp("", "bolt")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	s, err := bolt.Open(dir+"/sample.db", bolt.Options{Now: func() time.Time { return sampleTime }})
	if err != nil {
		panic(err)
	}
	fillSample(s)
	if err := s.Close(); err != nil {
		panic(err)
	}
	text, err := os.ReadFile(dir + "/sample.db")
	if err != nil {
		panic(err)
	}
	return text
})

func sampleRecords() (all []store.Record) {
	for i := range 12 {
		thing := fmt.Sprintf("A::%d", i)
		all = append(all,
			&store.Registration{
				Thing: thing, Serial: fmt.Sprint(i), Status: store.Active, AccessToken: strings.Repeat("t", 250), DueShard: fmt.Sprint(i % 2), DueAt: sampleTime,
				Slots: []message.Slot{{Slot: "filter", Subscribed: true}},
			},
			&store.Message{Thing: thing, ID: "1", Slot: "filter", Meta: store.Meta{ExpiresAt: sampleTime.Add(time.Hour)}},
		)
	}
	return append(all, &store.Login{StateHash: "ab", Verifier: strings.Repeat("v", 9000)})
}

func fillSample(s *bolt.Store) {
	err := s.DB().Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucket([]byte("local/queue"))
		if err != nil {
			return err
		}
		inner, err := b.CreateBucket([]byte("inner"))
		return errors.Join(err, b.Put([]byte("k"), []byte("v")), inner.Put([]byte("k"), []byte("v")))
	})
	if err != nil {
		panic(err)
	}
	all := sampleRecords()
	var wg sync.WaitGroup // in few transactions, and twice each, which leaves free pages
	for _, rec := range all {
		wg.Go(func() {
			for range 2 {
				if err := s.Put(context.Background(), rec); err != nil {
					panic(err)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Put(context.Background(), all[0]); err != nil { // the transaction before doesn't do
		panic(err)
	}
}

// contents is all that a store knows of the sample.
func contents(t testing.TB, s *bolt.Store) (all []any) {
	t.Helper()
	for _, rec := range sampleRecords() {
		err := s.Get(t.Context(), rec)
		all = append(all, rec, err)
	}
	for _, shard := range []string{"0", "1"} {
		due, err := s.Due(t.Context(), shard, sampleTime, 100)
		all = append(all, due, err)
	}
	things, err := s.Things(t.Context(), "", 100)
	return append(all, things, err)
}

func samplePath(t testing.TB) string {
	t.Helper()
	path := newPath(t)
	if err := os.WriteFile(path, sample(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// tryDamaged opens a damaged file: it must be refused and left as it is, or be as good
// as before. It returns whether it was refused.
func tryDamaged(t *testing.T, path, what string, want []any, change func(text []byte) []byte) (refused bool) {
	t.Helper()
	text := change(bytes.Clone(sample()))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := bolt.Open(path, bolt.Options{Now: func() time.Time { return sampleTime }})
	if err != nil {
		if !errors.Is(err, bolt.ErrDamaged) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: Open() = %v, want ErrDamaged", what, err)
		}
		wantBytes(t, path, text)
		return true
	}
	if got := contents(t, s); !reflect.DeepEqual(want, got) { // several times faster than cmp
		t.Errorf("%s: Open() took a file whose contents differ (-want +got):\n%s", what, cmp.Diff(want, got))
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	return false
}

func goodContents(t *testing.T) []any {
	t.Helper()
	s := open(t, samplePath(t), bolt.Options{Now: func() time.Time { return sampleTime }})
	all := contents(t, s)
	for _, v := range all {
		if err, ok := v.(error); ok {
			t.Fatal(err)
		}
	}
	return all
}

// A byte that changes is noticed, wherever it is in what is in use.
func TestFlippedByte(t *testing.T) {
	path, want := newPath(t), goodContents(t)
	size := len(sample())
	refused, tried := 0, 0
	flip := func(at int, mask byte) {
		tried++
		if tryDamaged(t, path, fmt.Sprintf("byte %d of %d, xor %#x", at, size, mask), want, func(text []byte) []byte { text[at] ^= mask; return text }) {
			refused++
		}
	}
	for at := range 80 { // the pages that say where everything is
		flip(at, 1<<(at%8))
		flip(pageSize+at, 0xff)
	}
	for p := 2 * pageSize; p < size; p += pageSize {
		if page := sample()[p : p+pageSize]; bytes.Count(page, []byte{0}) == len(page) {
			continue // was never written
		}
		for at := range 40 { // the head of a page, and its first entry
			flip(p+at, 1<<((p/pageSize+at)%8))
		}
		for at := 40; at < pageSize; at += 61 {
			flip(p+at, byte(1+at%255))
		}
	}
	t.Logf("%d of %d were refused", refused, tried)
	if refused < tried/4 || refused == tried { // the others fell where nothing is
		t.Errorf("%d of %d were refused: the test has lost its meaning", refused, tried)
	}
}

// A file that ends early is refused, and does not end the process.
func TestTruncated(t *testing.T) {
	path, want := newPath(t), goodContents(t)
	size := len(sample())
	for _, n := range []int{1, 15, 16, 79, 80, 4095, 4096, 4097, 4175, 8191, 8192, 8193, 12288, size / 2, size/2 + 1, size - 4096} {
		tryDamaged(t, path, fmt.Sprint("cut to ", n), want, func(text []byte) []byte { return text[:n] })
	}
	if tryDamaged(t, path, "with more behind it", want, func(text []byte) []byte { return append(text, sample()...) }) {
		t.Error("a file with more behind it was refused: bbolt grows files ahead of need")
	}
	if !tryDamaged(t, path, "half of it", want, func(text []byte) []byte { return text[:size/2] }) {
		t.Error("half of a file was not refused")
	}
}

// Whatever happens to a file while it is open ends in an error, not the process.
func TestDamagedWhileOpen(t *testing.T) {
	path := samplePath(t)
	s := open(t, path, bolt.Options{})
	if err := os.Truncate(path, 4096); err != nil {
		t.Fatal(err)
	}
	rec := &store.Login{StateHash: "ab"}
	if err := s.Get(t.Context(), rec); !errors.Is(err, bolt.ErrDamaged) || errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Get() = %v, want ErrDamaged", err)
	}
	if err := s.Put(t.Context(), rec); !errors.Is(err, bolt.ErrDamaged) {
		t.Errorf("Put() = %v, want ErrDamaged", err)
	}
	if _, err := s.Due(t.Context(), "0", sampleTime, 1); !errors.Is(err, bolt.ErrDamaged) {
		t.Errorf("Due() = %v, want ErrDamaged", err)
	}
}
