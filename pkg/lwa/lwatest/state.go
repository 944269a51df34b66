package lwatest

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Bounds on what a server keeps. The oldest codes and access tokens go first; grants
// that can still be used are never dropped, so a full server takes no more of them.
const (
	maxGrants    = 100_000
	maxCodes     = 10_000
	maxAccess    = 200_000
	maxPairs     = 10_000
	maxRefresh   = 20 // live refresh tokens of one grant
	maxClients   = 1_000
	maxCustomers = 1_000
)

// Record is one piece of a server's state, to be kept under its key.
type Record struct {
	Key   string          `json:"key"`
	Value json.RawMessage `json:"value"` // nil: the record is gone
}

// The keys of records: some are one record, some a prefix with an identifier.
const (
	keyClock    = "clock"
	keySwitches = "switches"
	keyClient   = "client/"
	keyCustomer = "customer/"
	keyGrant    = "grant/"
	keyAccess   = "access/"
	keyPair     = "pair/"
)

// state is everything that outlives a request; guarded by Server.mu. Clients, grants
// and access tokens are replaced when they change and never written to.
type state struct {
	switches  *Switches // replaced when they change, never written to
	clients   map[string]*client
	customers []Customer
	grants    map[string]*grant
	codes     map[digest]string // to the grant's ID
	codeQueue []digest          // the oldest first
	refresh   map[digest]string // to the grant's ID
	own       map[string]string // what a client was granted for itself, to the grant's ID
	access    map[digest]access
	queue     []digest             // of access, the oldest first
	pairs     map[digest]*pair     // by device code
	userCodes map[digest]digest    // to the device code
	pairQueue []digest             // the oldest first
	polled    map[digest]time.Time // when a device last asked; not saved
	offset    time.Duration
}

func newState() *state {
	sw := DefaultSwitches()
	return &state{
		switches: &sw,
		clients:  map[string]*client{},
		grants:   map[string]*grant{},
		codes:    map[digest]string{},
		refresh:  map[digest]string{},
		own:      map[string]string{},
		access:   map[digest]access{},

		pairs: map[digest]*pair{}, userCodes: map[digest]digest{}, polled: map[digest]time.Time{},
	}
}

// access is an access token.
type access struct {
	Grant  string
	Issued time.Time
	Expiry time.Time
	Number int64 // of the grant's access tokens, from 1
}

// change is one record that changes: what to save, and how to apply it.
type change struct {
	key    string
	digest *digest // the rest of the key; nil: key is all of it
	value  any     // nil: deleted
	apply  func()
}

func (c change) record() (Record, error) {
	r := Record{Key: c.key}
	if c.digest != nil {
		r.Key += c.digest.String()
	}
	var err error
	if c.value != nil {
		r.Value, err = json.Marshal(c.value)
	}
	return r, err
}

// commit saves the changes, if anybody keeps them, and applies them then: an answer
// that was sent is one that will be remembered. s.mu is held.
func (s *Server) commit(changes ...change) error {
	if s.options.Save != nil {
		if err := s.save(changes); err != nil {
			return fmt.Errorf("saving the sandbox's state: %w", err)
		}
	}
	for _, c := range changes {
		c.apply()
	}
	return nil
}

func (s *Server) save(changes []change) error {
	offset := s.clock.Offset()
	if offset != s.st.offset {
		changes = append(slices.Clone(changes), change{key: keyClock, value: offset})
	}
	records := make([]Record, 0, len(changes))
	for _, c := range changes {
		r, err := c.record()
		if err != nil {
			return err
		}
		records = append(records, r)
	}
	if len(records) == 0 {
		return nil
	}
	if err := s.options.Save(records); err != nil {
		return err
	}
	s.st.offset = offset
	return nil
}

// Advance moves the server's clock on, or back for a negative d, and saves that it did.
//
// Errors: that of [Options.Save]. The clock has moved all the same.
func (s *Server) Advance(d time.Duration) error {
	s.clock.Advance(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commit()
}

// Snapshot returns all records, sorted by key: what a server given all of them to
// Save would have by now.
func (s *Server) Snapshot() ([]Record, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	values := map[string]any{keyClock: s.clock.Offset(), keySwitches: s.st.switches}
	for id, c := range s.st.clients {
		values[keyClient+id] = c
	}
	for _, c := range s.st.customers {
		values[keyCustomer+c.UserID] = c
	}
	for id, g := range s.st.grants {
		values[keyGrant+id] = g
	}
	for d, p := range s.st.pairs {
		values[keyPair+d.String()] = p
	}
	for d, a := range s.st.access {
		values[keyAccess+d.String()] = a
	}
	records := make([]Record, 0, len(values))
	for key, v := range values {
		b, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		records = append(records, Record{Key: key, Value: b})
	}
	slices.SortFunc(records, func(a, b Record) int { return strings.Compare(a.Key, b.Key) })
	return records, nil
}

func (st *state) customer(id string) *Customer {
	i := slices.IndexFunc(st.customers, func(c Customer) bool { return c.UserID == id })
	if i < 0 {
		return nil
	}
	return &st.customers[i]
}

func (st *state) setCustomer(c Customer) {
	if old := st.customer(c.UserID); old != nil {
		*old = c
		return
	}
	st.customers = append(st.customers, c)
}

// signedIn is the customer whom nobody had to choose, nil when there is none.
func (st *state) signedIn() *Customer {
	if c := st.customer(st.switches.Customer); c != nil {
		return c
	}
	if len(st.customers) == 0 {
		return nil
	}
	return &st.customers[0]
}

func (s *Server) clientChange(k *client) change {
	return change{key: keyClient + k.ID, value: k, apply: func() { s.st.clients[k.ID] = k }}
}
