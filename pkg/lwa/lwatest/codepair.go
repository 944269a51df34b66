package lwatest

import (
	"crypto/rand"
	"encoding/json"
	"math/big"
	"net/http"
	"strings"
	"time"
)

// pair is a device code and the user code that the device shows, with what was asked
// for. It is replaced when it changes and never written to.
type pair struct {
	Device    digest
	User      digest
	ClientID  string
	Scopes    []string
	ScopeData json.RawMessage `json:",omitempty"` // nil: none
	Expiry    time.Time
	Grant     string // its ID, once the customer has agreed
	Denied    bool
	Used      bool // the tokens were fetched
}

// open reports whether the customer may still answer.
func (p *pair) open(now time.Time) bool {
	return p.Grant == "" && !p.Denied && now.Before(p.Expiry)
}

// invalidValue is how this route alone refuses a client ID, to the letter.
var invalidValue = refusal{400, "InvalidValue", "The request has an invalid parameter : client_id", "client_id"}

type codePairBody struct {
	UserCode        string `json:"user_code"`
	DeviceCode      string `json:"device_code"`
	VerificationURI string `json:"verification_uri"`
	ExpiresIn       int64  `json:"expires_in"`
	Interval        int64  `json:"interval"`
}

// codePair is POST /auth/o2/create/codepair.
//
// Source: developer.amazon.com/docs/login-with-amazon/retrieve-code-other-platforms-cbl-docs.html
func (s *Server) codePair(q *request) reply {
	if q.bad != nil {
		return q.refuse(*q.bad)
	}
	p, bad := s.readPair(q)
	if bad != nil {
		return q.refuse(*bad)
	}
	body := codePairBody{
		DeviceCode: newDeviceCode(), VerificationURI: s.options.VerificationURI,
		ExpiresIn: int64(time.Duration(q.sw.CodePairLife) / time.Second),
		Interval:  int64(time.Duration(q.sw.PollInterval) / time.Second),
	}
	if body.VerificationURI == "" {
		body.VerificationURI = q.origin + verifyPath
	}
	if body.UserCode = s.addPair(q, p, digestOf(body.DeviceCode)); body.UserCode == "" {
		return q.refuse(serverTrouble)
	}
	if q.sw.Consent != Ask {
		v := Visitor{Deny: q.sw.Consent == Deny, dropVoluntary: q.sw.DropVoluntary}
		if bad := s.answerPair(q, p.User, v); bad != nil {
			return q.refuse(*bad)
		}
	}
	return reply{status: http.StatusOK, json: body, outcome: "code pair issued"}
}

// readPair checks what a device asks for.
func (s *Server) readPair(q *request) (*pair, *refusal) {
	if bad := q.repeated(q.params); bad != nil {
		return nil, bad
	}
	if bad := q.require("response_type", "client_id", "scope"); bad != nil {
		return nil, bad
	}
	if q.params.Get("response_type") != "device_code" {
		bad := invalidParam("response_type")
		return nil, &bad
	}
	s.mu.Lock()
	k := s.st.clients[q.clientID()]
	s.mu.Unlock()
	switch {
	case k == nil:
		return nil, &invalidValue
	case !k.may(typeDevice):
		return nil, &unauthorizedClient
	}
	asked, ok := readScopes(q.params.Get("scope"), k.Scopes)
	if !ok {
		return nil, &invalidScope
	}
	data, bad := readScopeData(asked, q.params.Get("scope_data"))
	if bad != nil {
		return nil, bad
	}
	return &pair{
		ClientID: k.ID, Scopes: asked, ScopeData: data.raw,
		Expiry: q.now.Add(time.Duration(q.sw.CodePairLife)),
	}, nil
}

// addPair keeps a new pair and returns its user code, which no other pair has; "" when
// it can't be kept.
func (s *Server) addPair(q *request, p *pair, device digest) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	changes := s.oldPairs(q.now)
	text := newUserCode(q.sw.UserCodes)
	for taken := true; taken; _, taken = s.st.userCodes[digestOf(text)] {
		text = newUserCode(q.sw.UserCodes)
	}
	p.Device, p.User = device, digestOf(text)
	if s.commit(append(changes, s.pairChange(p))...) != nil {
		return ""
	}
	return text
}

func (s *Server) pairChange(p *pair) change {
	return change{key: keyPair + p.Device.String(), value: p, apply: func() { s.st.setPair(p) }}
}

// setPair puts a pair, or its next version, in place.
func (st *state) setPair(p *pair) {
	if st.pairs[p.Device] == nil {
		st.pairQueue = append(st.pairQueue, p.Device)
		st.userCodes[p.User] = p.Device
	}
	st.pairs[p.Device] = p
}

// oldPairs forgets a few pairs that ended a while ago, and the oldest one when there are
// too many.
func (s *Server) oldPairs(now time.Time) []change {
	const few, aWhile = 4, time.Hour
	var drop []change
	for i, d := range s.st.pairQueue[:min(few, len(s.st.pairQueue))] {
		p := s.st.pairs[d]
		if now.Before(p.Expiry.Add(aWhile)) && (i > 0 || len(s.st.pairQueue) < maxPairs) {
			break
		}
		drop = append(drop, change{key: keyPair + d.String(), apply: func() {
			delete(s.st.pairs, d)
			delete(s.st.userCodes, p.User)
			delete(s.st.polled, d)
			s.st.pairQueue = s.st.pairQueue[1:]
		}})
	}
	return drop
}

func newDeviceCode() string { return rand.Text() + rand.Text() }

// newUserCode makes a code that a person types in.
func newUserCode(kind UserCodes) string {
	letters, n := "ABCDEFGHIJKLMNOPQRSTUVWXYZ", 6
	if kind == Digits {
		letters, n = "0123456789", 5
	}
	text := make([]byte, n)
	for i := range text {
		at, _ := rand.Int(rand.Reader, big.NewInt(int64(len(letters)))) // never fails: see random
		text[i] = letters[at.Int64()]
	}
	return string(text)
}

// asShown is a user code as devices show it, of what a person has typed.
func asShown(typed string) string {
	return strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(typed))
}

// userDigest is that of a user code as a person may write it.
func userDigest(text string) digest { return digestOf(asShown(text)) }
