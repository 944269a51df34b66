package lwatest

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// Grant is one customer's consent to one client, for one device where the scope is
// about one; or what a client was granted for itself.
type Grant struct {
	ID string `json:"id"`
	// Type is the grant type that it began with: authorization_code, device_code or
	// client_credentials.
	Type     string   `json:"type"`
	ClientID string   `json:"client_id"`
	Customer string   `json:"customer"` // the user ID; "" with client_credentials
	Scopes   []string `json:"scopes"`
	// ScopeData is what the client sent with the request; nil: nothing.
	ScopeData json.RawMessage `json:"scope_data,omitempty"`
	// DeviceModel and Serial are those in ScopeData, "" without a device. The flags are
	// those of dash:replenish.
	DeviceModel string `json:"device_model"`
	Serial      string `json:"serial"`
	TestDevice  bool   `json:"test_device"`
	NonLive     bool   `json:"non_live"`
	// At is when the customer agreed, or the client first asked for itself.
	At time.Time `json:"at"`
	// Exchanged says that tokens were issued.
	Exchanged bool `json:"exchanged"`
	// Expiry is that of the newest access token, from Lookup that of the token looked
	// up; zero: there was none.
	Expiry time.Time `json:"expiry,omitzero"`
	// Revoked is when the grant ended; zero: it hasn't.
	Revoked time.Time `json:"revoked,omitzero"`
	// Alive says that the grant hasn't ended, from Lookup that the token works.
	Alive bool `json:"alive"`
}

// grant is what is kept of a Grant.
type grant struct {
	Grant
	Code code
	// Secret says that the exchange brought the client secret: a refresh must, too.
	Secret bool
	// Refresh are the refresh tokens that work, the oldest first.
	Refresh []digest
	// Issued counts the access tokens; those before Oldest work no more.
	Issued, Oldest int64
}

// code is an authorization code and what it was asked for with.
type code struct {
	Digest      digest
	RedirectURL string
	Challenge   string // "": none
	Method      string // S256 or plain
	Expiry      time.Time
	Used        bool
}

// setGrant puts a grant, or its next version, in place.
func (st *state) setGrant(g *grant) {
	if old := st.grants[g.ID]; old != nil {
		for _, d := range old.Refresh {
			delete(st.refresh, d)
		}
	} else if g.Type == typeCode {
		st.codes[g.Code.Digest] = g.ID
		st.codeQueue = append(st.codeQueue, g.Code.Digest)
		if len(st.codeQueue) > maxCodes {
			delete(st.codes, st.codeQueue[0])
			st.codeQueue = st.codeQueue[1:]
		}
	}
	if g.Type == typeClient && (st.grants[g.ID] == nil || !g.Revoked.IsZero()) { // it is new, or has ended
		st.setOwn(g)
	}
	for _, d := range g.Refresh {
		st.refresh[d] = g.ID
	}
	st.grants[g.ID] = g
}

// setOwn lets a client find what it was granted for itself again, until that ends.
func (st *state) setOwn(g *grant) {
	if key := ownKey(g.ClientID, g.Scopes); g.Revoked.IsZero() {
		st.own[key] = g.ID
	} else if st.own[key] == g.ID {
		delete(st.own, key)
	}
}

// dropGrant forgets a grant.
func (st *state) dropGrant(g *grant) {
	delete(st.grants, g.ID)
	delete(st.codes, g.Code.Digest)
	if key := ownKey(g.ClientID, g.Scopes); st.own[key] == g.ID {
		delete(st.own, key)
	}
}

func (s *Server) grantChange(g *grant) change {
	return change{key: keyGrant + g.ID, value: g, apply: func() { s.st.setGrant(g) }}
}

// spent reports whether nothing can come of a grant any more.
func (g *grant) spent(now time.Time) bool {
	codeDead := g.Code.Used || !now.Before(g.Code.Expiry)
	return !g.Revoked.IsZero() || codeDead && len(g.Refresh) == 0 && !now.Before(g.Expiry)
}

// makeRoom drops spent grants when the server is full; false: it stays full.
func (s *Server) makeRoom(now time.Time) (bool, error) {
	if len(s.st.grants) < s.maxGrants {
		return true, nil
	}
	var drop []change
	for id, g := range s.st.grants {
		if g.spent(now) {
			drop = append(drop, change{key: keyGrant + id, apply: func() { s.st.dropGrant(g) }})
		}
	}
	return len(drop) > 0, s.commit(drop...)
}

// view is the grant as others see it.
func (g *grant) view() Grant {
	v := g.Grant
	v.Scopes = slices.Clone(v.Scopes)
	v.ScopeData = slices.Clone(v.ScopeData)
	v.Alive = v.Revoked.IsZero()
	return v
}

// Match selects grants. A zero field matches every grant, so the zero Match is all.
type Match struct {
	ID          string `json:"id,omitempty"`
	Type        string `json:"type,omitempty"`
	ClientID    string `json:"client_id,omitempty"`
	Customer    string `json:"customer,omitempty"`
	DeviceModel string `json:"device_model,omitempty"`
	Serial      string `json:"serial,omitempty"`
}

func (m Match) matches(g *grant) bool {
	either := func(want, have string) bool { return want == "" || want == have }
	return either(m.ID, g.ID) && either(m.Type, g.Type) && either(m.ClientID, g.ClientID) && either(m.Customer, g.Customer) &&
		either(m.DeviceModel, g.DeviceModel) && either(m.Serial, g.Serial)
}

// Grants lists the grants that match, the oldest first.
func (s *Server) Grants(m Match) []Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Grant
	for _, g := range s.st.grants {
		if m.matches(g) {
			found = append(found, g.view())
		}
	}
	sortGrants(found)
	return found
}

func sortGrants(g []Grant) {
	slices.SortFunc(g, func(a, b Grant) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
}

// Revoke ends the living grants that match, with their codes and tokens, and returns
// them. That is the customer who removes the application from the account; with a
// device it is what deregistering it at DRS does.
//
// Errors: that of [Options.Save]; then nothing has ended.
func (s *Server) Revoke(m Match) ([]Grant, error) {
	s.mu.Lock()
	ended, err := s.revoke(m)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	s.tellRevoked(ended)
	return ended, nil
}

// revoke is Revoke with s.mu held.
func (s *Server) revoke(m Match) ([]Grant, error) {
	now := s.clock.Now()
	var changes []change
	var ended []Grant
	for _, old := range s.st.grants {
		if !old.Revoked.IsZero() || !m.matches(old) {
			continue
		}
		g := *old
		g.Revoked, g.Refresh = now, nil
		changes = append(changes, s.grantChange(&g))
		ended = append(ended, g.view())
	}
	sortGrants(ended)
	return ended, s.commit(changes...)
}

func (s *Server) tellRevoked(ended []Grant) {
	if s.options.Revoked == nil {
		return
	}
	for _, g := range ended {
		s.options.Revoked(g)
	}
}

// Lookup returns the grant behind an access token and whether the token works now. The
// Grant of a token that works no more is filled in while the server remembers it.
func (s *Server) Lookup(accessToken string) (Grant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, a, ok := s.lookup(accessToken)
	if g == nil {
		return Grant{}, false
	}
	v := g.view()
	v.Expiry, v.Alive = a.Expiry, ok
	return v, ok
}

// lookup finds a grant and its token; nil: the token is unknown. s.mu is held.
func (s *Server) lookup(accessToken string) (*grant, access, bool) {
	a, ok := s.st.access[digestOf(accessToken)]
	g := s.st.grants[a.Grant]
	if !ok || g == nil {
		return nil, access{}, false
	}
	return g, a, g.Revoked.IsZero() && a.Number >= g.Oldest && s.clock.Now().Before(a.Expiry)
}
