package lwa

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"strings"
)

// silence is why no answer arrived.
type silence int

const (
	brokeOff silence = iota
	gaveUp
	wrongClock
	badCertificate
	unknownHost
	timedOut
	noConnection
)

func (e *TransportError) why() silence {
	var certificate x509.CertificateInvalidError
	var dns *net.DNSError
	switch {
	case errors.Is(e.Err, context.Canceled):
		return gaveUp
	case errors.As(e.Err, &certificate) && certificate.Reason == x509.Expired:
		return wrongClock
	case isCertificate(e.Err):
		return badCertificate
	case errors.As(e.Err, &dns):
		return unknownHost
	case e.Timeout():
		return timedOut
	case neverSent(e.Err):
		return noConnection
	}
	return brokeOff
}

// printedSilence is what [TransportError.Error] writes.
var printedSilence = pattern(`lwa: (\w+): no answer: ([^\n]*)`)

// goSilence is how net/http begins the error of a call of Amazon's that got no answer,
// which is what a log of golang.org/x/oauth2 holds.
var goSilence = pattern(`(?:Get|Post) ()"https://[a-z.-]*\bamazon\.(?:com|co\.uk|co\.jp)/[^"]*": ([^\n]*)`)

// readSilence explains a TransportError that was printed, or such an error of net/http.
func readSilence(text string) string {
	m := printedSilence().FindStringSubmatch(text)
	if m == nil {
		m = goSilence().FindStringSubmatch(text)
	}
	if m == nil {
		return ""
	}
	for _, known := range []struct {
		phrase string
		why    silence
	}{
		{"context canceled", gaveUp},
		{"has expired or is not yet valid", wrongClock},
		{"certificate", badCertificate},
		{"no such host", unknownHost},
		{"deadline exceeded", timedOut},
		{"timeout", timedOut},
		{"dial ", noConnection},
	} {
		if strings.Contains(m[2], known.phrase) {
			return known.why.explain(m[1])
		}
	}
	return brokeOff.explain(m[1])
}

// explain says what to do after a call that got no answer.
func (s silence) explain(op string) string {
	after := " Try again."
	if op == opExchange {
		after = " The code may be used up: start the sign-in again."
	}
	switch s {
	case gaveUp:
		return "The program gave up before an answer came; nothing is known to be wrong."
	case wrongClock:
		return "The certificate of the host is not valid at the time that this machine's clock shows: set the clock."
	case badCertificate:
		return "The certificate of the host is none that this machine trusts: install the current CA certificates, or those of the proxy between; " +
			"never switch the check off."
	case unknownHost:
		return "The name of the host can't be resolved: check the base URL of the API, the DNS settings and the network."
	case timedOut:
		return "No answer came in time: check the network and the proxy settings." + after
	case noConnection:
		return "No connection could be made: check the network, the firewall and the proxy settings, then try again."
	case brokeOff:
	}
	return "The connection broke off before an answer came." + after
}
