package replenish

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"

	"github.com/restock-dev/restock/pkg/drs"
)

// unsentError is why a call to DRS was not made. The call may be made later.
type unsentError struct{ why string }

func (e *unsentError) Error() string { return "drs: not asked: " + e.why }

var (
	errNoTime  = &unsentError{"the time of this attempt is over"}
	errStalled = &unsentError{"the claim on the message is about to end"}
)

// mayHaveOrdered reports whether a replenish that failed with err may have placed an order
// all the same. It may unless DRS refused it, or it never got to DRS.
func mayHaveOrdered(err error) bool {
	if transport, ok := errors.AsType[*drs.TransportError](err); ok {
		return !neverSent(transport)
	}
	e, ok := errors.AsType[*drs.Error](err)
	switch {
	case !ok, e.StatusCode == 0:
		return false // no token, or not sent
	case errors.Is(e, drs.ErrUnsubscribed):
		return false // in so many words, whatever the status
	case e.StatusCode == http.StatusRequestTimeout:
		return true
	}
	return e.StatusCode < 400 || e.StatusCode >= 500
}

// neverSent reports whether no connection came about, to DRS or to the proxy before it. A
// time-out doesn't say so: it may have struck at any moment.
func neverSent(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && (op.Op == "dial" || op.Op == "proxyconnect") {
		return true
	}
	return is[*net.DNSError](err) || is[*tls.CertificateVerificationError](err)
}
