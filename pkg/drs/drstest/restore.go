package drstest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/restock-dev/restock/pkg/internal/standin"
)

// Record is one piece of a server's state, to be kept under its key.
type Record struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"` // nil: the record is gone
}

// The keys of records: one record, or a prefix with an identifier.
const (
	keySwitches = "switches"
	keyDevice   = "device/"
	keyOrder    = "order/"
)

func (d Device) recordKey() string {
	return keyDevice + url.PathEscape(d.Model) + "/" + url.PathEscape(d.Serial)
}

func encode(values map[string]any) ([]Record, error) {
	var records []Record
	for _, key := range slices.Sorted(maps.Keys(values)) {
		r := Record{Key: key}
		if v := values[key]; v != nil {
			var err error
			if r.Value, err = json.Marshal(v); err != nil {
				return nil, err
			}
		}
		records = append(records, r)
	}
	return records, nil
}

// Snapshot returns all records, sorted by key: what a server given all of them to Save
// would have by now.
func (s *Server) Snapshot() ([]Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	values := map[string]any{keySwitches: s.st.switches}
	for _, r := range s.st.registrations {
		values[r.recordKey()] = r
	}
	for id, o := range s.st.orders {
		values[keyOrder+id] = o
	}
	return encode(values)
}

// Restore brings back records that were saved or taken as a snapshot, in any order. It is
// meant for a server that has not served yet.
//
// Errors: a record that can't be read, by its key. Then nothing has changed.
func (s *Server) Restore(records []Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := newState()
	st.switches = s.st.switches
	var orders []*Order
	for _, r := range records {
		o, err := st.restore(r)
		if err != nil {
			return fmt.Errorf("record %.100q of the sandbox: %w", r.Key, err)
		}
		if o != nil {
			orders = append(orders, o)
		}
	}
	slices.SortFunc(orders, func(a, b *Order) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.ID, b.ID)) })
	for _, o := range orders { // the oldest first, as they were closed
		st.set(o)
	}
	s.st = st
	return nil
}

func (st *state) restore(record Record) (*Order, error) {
	switch {
	case record.Value == nil:
		return nil, nil
	case record.Key == keySwitches:
		return nil, standin.Decode(record.Value, &st.switches)
	case strings.HasPrefix(record.Key, keyDevice):
		var r Registration
		if err := standin.Decode(record.Value, &r); err != nil {
			return nil, err
		}
		if r.recordKey() != record.Key {
			return nil, errors.New("it belongs under another key")
		}
		st.registrations[r.key()] = &r
		return nil, checkSlots(r.Slots)
	case strings.HasPrefix(record.Key, keyOrder):
		var o Order
		if err := standin.Decode(record.Value, &o); err != nil {
			return nil, err
		}
		if o.ID == "" || keyOrder+o.ID != record.Key {
			return nil, errors.New("it belongs under another key")
		}
		return &o, standin.OneOf("state", o.State, Problem, Placed, Shipped, Delivered, Cancelled)
	}
	return nil, errors.New("this version knows no such record")
}
