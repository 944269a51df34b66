package lwatest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/restock-dev/restock/pkg/internal/standin"
)

// Restore brings back records that were saved or taken as a snapshot, in any order. They
// win over what [Options] named. It is meant for a server that has not served yet.
//
// Errors: a record that can't be read, by its key. Then nothing has changed.
func (s *Server) Restore(records []Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := newState()
	st.switches = s.st.switches
	st.clients = maps.Clone(s.st.clients)
	st.customers = slices.Clone(s.st.customers)
	st.offset = s.st.offset
	records = slices.Clone(records)
	slices.SortStableFunc(records, func(a, b Record) int { return strings.Compare(a.Key, b.Key) })
	for _, r := range records {
		if err := st.restore(r); err != nil {
			return fmt.Errorf("record %.100q of the sandbox: %w", r.Key, err)
		}
	}
	st.order()
	s.st = st
	s.clock.setOffset(st.offset)
	return nil
}

func (st *state) restore(r Record) error {
	kind, id, _ := strings.Cut(r.Key, "/")
	if strings.Contains(r.Key, "/") {
		kind += "/"
	}
	switch kind {
	case keyClock:
		return standin.Decode(r.Value, &st.offset)
	case keySwitches:
		sw := *st.switches
		if err := standin.Decode(r.Value, &sw); err != nil {
			return err
		}
		st.switches = &sw
		return sw.Validate()
	case keyClient:
		return restore(r, id, func(c *client) string { return c.ID }, func(c *client) {
			if old := st.clients[id]; old != nil && slices.Equal(old.Secrets, c.Secrets) {
				c.plain = old.plain
			}
			st.clients[id] = c
		})
	case keyCustomer:
		return restore(r, id, func(c *Customer) string { return c.UserID }, func(c *Customer) { st.setCustomer(*c) })
	case keyGrant:
		return restore(r, id, func(g *grant) string { return g.ID }, func(g *grant) {
			if g.Type == "" { // it is of a version that knew no others
				g.Type = typeCode
			}
			st.grants[id] = g
		})
	case keyPair:
		return restore(r, id, func(p *pair) string { return p.Device.String() }, func(p *pair) { st.pairs[p.Device] = p })
	case keyAccess:
		var d digest
		if err := d.UnmarshalText([]byte(id)); err != nil {
			return err
		}
		return restore(r, id, func(*access) string { return id }, func(a *access) { st.access[d] = *a })
	}
	return errors.New("this version knows no such record")
}

// restore decodes a record and hands it on, if it is of the identifier in its key.
func restore[T any](r Record, id string, of func(*T) string, use func(*T)) error {
	v := new(T)
	if err := standin.Decode(r.Value, v); err != nil {
		return err
	}
	if of(v) != id || id == "" {
		return errors.New("it belongs under another key")
	}
	use(v)
	return nil
}

// order rebuilds the indexes and queues, which records don't keep.
func (st *state) order() {
	for d := range st.access {
		st.queue = append(st.queue, d)
	}
	slices.SortFunc(st.queue, func(a, b digest) int { return st.access[a].Issued.Compare(st.access[b].Issued) })
	grants := slices.SortedFunc(maps.Values(st.grants), func(a, b *grant) int { return a.At.Compare(b.At) })
	clear(st.grants)
	for _, g := range grants {
		st.setGrant(g)
	}
	pairs := slices.SortedFunc(maps.Values(st.pairs), func(a, b *pair) int { return a.Expiry.Compare(b.Expiry) })
	clear(st.pairs)
	for _, p := range pairs {
		st.setPair(p)
	}
}
