package lwa_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/restock-dev/restock/pkg/lwa"
)

type timeout struct{ error }

func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }

// When no answer arrived it matters whether the request did.
func TestNoAnswerCatalogue(t *testing.T) {
	reset := errors.New("connection reset by peer")
	for name, tt := range map[string]struct {
		err             error
		refresh, second bool // a refresh, an exchange may be sent again
		advice          string
	}{
		"refused": {&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}, true, true, "No connection"},
		"proxy": {
			&net.OpError{Op: "proxyconnect", Net: "tcp", Err: &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}}, true, true,
			"No connection",
		},
		"DNS":         {&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "x"}}, true, true, "can't be resolved"},
		"certificate": {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, false, false, "CA certificates"},
		"clock": {
			&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}}, false, false,
			"set the clock",
		},
		"reset":    {&net.OpError{Op: "read", Err: reset}, true, false, "broke off"},
		"timeout":  {timeout{errors.New("read tcp: i/o timeout")}, true, false, "in time"},
		"deadline": {context.DeadlineExceeded, true, false, "in time"},
		"canceled": {context.Canceled, false, false, "gave up"},
	} {
		refresh, exchange := &lwa.TransportError{Op: "refresh", Err: tt.err}, &lwa.TransportError{Op: "exchange", Err: tt.err}
		after, again := lwa.Retry(refresh)
		if again != tt.refresh || again != (after > 0) {
			t.Errorf("%s: Retry(refresh) = %v, %t, want %t", name, after, again, tt.refresh)
		}
		if after, again := lwa.Retry(exchange); again != tt.second || again != (after > 0) {
			t.Errorf("%s: Retry(exchange) = %v, %t, want %t", name, after, again, tt.second)
		}
		if got := lwa.Explain(refresh); !strings.Contains(got, tt.advice) {
			t.Errorf("%s: Explain() = %q, want something about %q", name, got, tt.advice)
		}
		for _, e := range []error{refresh, exchange} {
			if got, known := lwa.ExplainText("time=x msg=\"" + e.Error() + "\""); !known || got != lwa.Explain(e) {
				t.Errorf("%s: ExplainText(%q) = %q, %t, want what Explain says", name, e, got, known)
			}
		}
		if got := lwa.Explain(exchange); tt.refresh && !tt.second && !strings.Contains(got, "may be used up") {
			t.Errorf("%s: Explain(exchange) = %q", name, got)
		}
	}
}

// Whatever is wrong before a request is sent has its advice, too.
func TestExplainWhatWasNotSent(t *testing.T) {
	c := answering(200, nil, "{}")
	public := answering(200, nil, "{}")
	public.ClientSecret = lwa.Secret{}
	nobody := answering(200, nil, "{}")
	nobody.ClientID, nobody.RedirectURL = "", ""
	for advice, err := range map[string]error{
		"sign in again":                  second(c.Refresh(t.Context(), lwa.Secret{})),
		"Set the client secret":          second(public.ClientCredentials(t.Context(), "a")),
		"Set the client ID":              second(nobody.Refresh(t.Context(), lwa.NewSecret("Atzr|x"))),
		"Set the redirect URL":           second(nobody.Exchange(t.Context(), "code", lwa.Secret{})),
		"Name the scope":                 second(c.ClientCredentials(t.Context())),
		"to another application":         (&lwa.TokenInfo{Audience: "other"}).For("mine"),
		"ask for a new one":              second(c.PollCodePair(t.Context(), &lwa.CodePair{UserCode: "1", DeviceCode: lwa.NewSecret("d"), Expiry: noon})),
		"failed: repair that. The token": &lwa.HookError{Err: errors.New("disk full")},
	} {
		if got := lwa.Explain(err); !strings.Contains(got, advice) {
			t.Errorf("Explain(%v) = %q, want something about %q", err, got, advice)
		}
		if got, known := lwa.ExplainText("error: " + err.Error()); !known || got != lwa.Explain(err) {
			t.Errorf("ExplainText(%q) = %q, %t, want what Explain says", err, got, known)
		}
		if _, again := lwa.Retry(err); again != errors.As(err, new(*lwa.HookError)) {
			t.Errorf("Retry(%v) = %t", err, again)
		}
	}
	for _, err := range []error{nil, errors.New("x"), context.Canceled} {
		if got := lwa.Explain(err); got != "" {
			t.Errorf("Explain(%v) = %q, want nothing", err, got)
		}
		if _, again := lwa.Retry(err); again {
			t.Errorf("Retry(%v) = true", err)
		}
	}
}
