package lwatest

import (
	"fmt"
	"net/http"
)

// codeView is what the page shows that asks for a user code.
type codeView struct{ Title, Problem, Done string }

// noSuchCode answers a code that leads nowhere, or not any more.
const noSuchCode = "That is not a code that a device shows now. Look again, or let the device make a new one."

// verify is /us/code: it asks for the user code, then for consent, and takes the answer.
func (s *Server) verify(q *request) reply {
	text := asShown(q.params.Get("user_code"))
	switch {
	case q.bad != nil:
		return *s.badRequestPage("Malformed request", nil)
	case q.method != http.MethodPost || text == "":
		return codePage(http.StatusOK, codeView{Title: "Connect your device"}, "code asked")
	}
	user := userDigest(text)
	s.mu.Lock()
	p := s.st.pairs[s.st.userCodes[user]]
	var k *client
	if p != nil && p.open(q.now) {
		k = s.st.clients[p.ClientID]
	}
	s.mu.Unlock()
	if k == nil {
		return codePage(http.StatusBadRequest, codeView{Title: "Connect your device", Problem: noSuchCode}, "unknown user code")
	}
	data, _ := readScopeData(p.Scopes, string(p.ScopeData)) // it was read before
	if !q.params.Has("decision") {
		return s.ask(q, consentView{Action: "code", UserCode: text}, k, p.Scopes, data, verifyPath, text)
	}
	if bad := s.checkAnswer(q, verifyPath, text); bad != nil {
		return *bad
	}
	v, bad := s.visitor(q, data)
	if bad != nil {
		return *bad
	}
	return s.answered(q, user, v)
}

// answered does what the customer says, and says so.
func (s *Server) answered(q *request, user digest, v Visitor) reply {
	if bad := s.answerPair(q, user, v); bad != nil {
		return codePage(bad.status, codeView{Title: "Connect your device", Problem: bad.description}, bad.outcome())
	}
	if v.Deny {
		return codePage(http.StatusOK, codeView{Title: "Not connected", Done: "You did not allow it. You can close this page."}, notPermitted.code)
	}
	return codePage(http.StatusOK, codeView{Title: "Connected", Done: "Your device goes on by itself. You can close this page."}, "agreed")
}

func codePage(status int, v codeView, outcome string) reply {
	return reply{status: status, html: render("code.html", v), outcome: outcome}
}

// answerPair does what a customer says about the pair of a user code.
func (s *Server) answerPair(q *request, user digest, v Visitor) *refusal {
	g, bad := s.decidePair(q, user, v)
	if g != nil && s.options.Granted != nil {
		s.options.Granted(*g)
	}
	return bad
}

// decidePair returns the grant that was made; nil: none.
func (s *Server) decidePair(q *request, user digest, v Visitor) (*Grant, *refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.st.pairs[s.st.userCodes[user]]
	if old == nil || !old.open(q.now) {
		return nil, &refusal{400, errPair, noSuchCode, "user_code"}
	}
	data, bad := readScopeData(old.Scopes, string(old.ScopeData))
	if bad != nil {
		return nil, bad
	}
	p := *old
	scopes := v.agrees(p.Scopes, data)
	if v.Deny || len(scopes) == 0 {
		p.Denied = true
		if s.commit(s.pairChange(&p)) != nil {
			return nil, &serverTrouble
		}
		return nil, nil
	}
	g, bad := s.newGrant(q, typeDevice, p.ClientID, v.Customer, scopes, data)
	if bad != nil {
		return nil, bad
	}
	p.Grant, g.Code.Expiry = g.ID, p.Expiry // until then the grant is worth keeping
	if s.commit(s.grantChange(g), s.pairChange(&p)) != nil {
		return nil, &serverTrouble
	}
	view := g.view()
	return &view, nil
}

// EnterCode plays the customer who enters the user code that a device shows, and answers
// the question that follows. Like [Server.Visit] it pays no regard to [Switches.Consent]
// and scripted faults.
//
// Errors: no device waits with that code.
func (s *Server) EnterCode(userCode string, v Visitor) error {
	q := &request{
		id: newRequestID(), now: s.clock.Now(), sw: s.switches(), route: RouteVerify,
		method: http.MethodPost, path: verifyPath,
	}
	p := s.answered(q, userDigest(userCode), v)
	s.note(q, p, Fault{})
	if p.status != http.StatusOK {
		return fmt.Errorf("lwatest: the code was not taken: %s", p.outcome)
	}
	return nil
}
