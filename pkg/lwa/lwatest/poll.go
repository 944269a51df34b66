package lwatest

import "time"

// errPair is the error of a device or user code that leads nowhere.
const errPair = "invalid_code_pair"

// The refusals of a device that polls. Only their codes are known; the texts are ours.
//
// Source: developer.amazon.com/docs/login-with-amazon/retrieve-token-other-platforms-cbl-docs.html
var (
	pending     = refusal{400, "authorization_pending", "The customer has not answered yet", ""}
	slowDown    = refusal{400, "slow_down", "The device polls more often than the interval allows", ""}
	invalidPair = refusal{400, errPair, "The code pair is not valid", "device_code"}
)

// poll is the grant type device_code, by which a device fetches its tokens once the
// customer has agreed. The client is not asked for, since the pair names it; one that
// is sent has to be right. s.mu is held.
func (s *Server) poll(q *request) (reply, *refusal) {
	if bad := q.require("device_code", "user_code"); bad != nil {
		return reply{}, bad
	}
	p := s.st.pairs[digestOf(q.params.Get("device_code"))]
	if q.clientID() != "" {
		k, _, bad := s.authenticate(q)
		if bad != nil {
			return reply{}, bad
		}
		if p != nil && p.ClientID != k.ID {
			p = nil
		}
	}
	badUserCode := invalidGrant("user_code")
	switch {
	case p == nil || p.Used:
		return reply{}, &invalidPair
	case p.User != userDigest(q.params.Get("user_code")):
		return reply{}, &badUserCode
	case !q.now.Before(p.Expiry):
		return reply{}, &refusal{400, q.sw.ExpiredPairError, "The code pair has expired", "device_code"}
	case p.Denied:
		return reply{}, &refusal{400, q.sw.DeniedPairError, notPermitted.description, ""}
	case p.Grant == "":
		return reply{}, s.waiting(q, p.Device)
	}
	old := s.st.grants[p.Grant]
	if old == nil || !old.Revoked.IsZero() {
		return reply{}, &invalidPair
	}
	g, used := *old, *p
	used.Used = true
	return s.issue(q, &g, true, s.pairChange(&used))
}

// waiting is what a device is told before the customer has answered.
func (s *Server) waiting(q *request, device digest) *refusal {
	last, before := s.st.polled[device]
	s.st.polled[device] = q.now
	if before && q.sw.SlowDown && q.now.Sub(last) < time.Duration(q.sw.PollInterval) {
		return &slowDown
	}
	return &pending
}
