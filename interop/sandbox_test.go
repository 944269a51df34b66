package interop_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

// hosts are those of Amazon that strangers know, and one by which their programs move the
// sandbox's clock on.
var hosts = []string{
	"www.amazon.com", "developer.amazon.com", "api.amazon.com", "api.amazon.co.uk", "api.amazon.co.jp", sellingAPI, clockHost,
}

const (
	sellingAPI = "sellingpartnerapi-na.amazon.com"
	clockHost  = "clock.test"
)

// sandbox is the sandbox at Amazon's addresses.
type sandbox struct {
	*lwatest.Server
	proxy     *url.URL
	authority string // a file with the certificate that vouches for it
	roots     *x509.CertPool
}

// newSandbox starts one that ends with the test.
func newSandbox(t *testing.T, o ...lwatest.Options) *sandbox {
	t.Helper()
	a := &sandbox{Server: lwatest.NewServer(t, o...)}
	front := httptest.NewUnstartedServer(http.HandlerFunc(a.serve))
	front.TLS = &tls.Config{Certificates: []tls.Certificate{a.certificate(t)}}
	front.StartTLS()
	t.Cleanup(front.Close)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connect(w, r, front.Listener.Addr().String())
	}))
	t.Cleanup(proxy.Close)
	var err error
	if a.proxy, err = url.Parse(proxy.URL); err != nil {
		t.Fatal(err)
	}
	return a
}

// serve is Amazon, by whatever host it is asked.
func (a *sandbox) serve(w http.ResponseWriter, r *http.Request) {
	switch r.Host {
	case sellingAPI:
		a.selling(w, r)
	case clockHost:
		d, err := time.ParseDuration(r.URL.Query().Get("advance"))
		if err != nil || a.Advance(d) != nil {
			http.Error(w, "advance= needs a duration", http.StatusBadRequest)
		}
	default:
		a.ServeHTTP(w, r)
	}
}

// selling is the Selling Partner API as far as its tokens go, with its own words for those
// that it refuses.
//
// Source: github.com/amzn/selling-partner-api-models/issues/2333
func (a *sandbox) selling(w http.ResponseWriter, r *http.Request) {
	token := r.Header.Get("x-amz-access-token")
	grant, works := a.Lookup(token)
	details := "The access token you provided is revoked, malformed or invalid."
	switch {
	case token == "":
		details = "Access token is missing in the request header."
	case grant.ID != "" && grant.Revoked.IsZero():
		details = "The access token you provided has expired."
	}
	w.Header().Set("Content-Type", "application/json")
	if works {
		_ = json.NewEncoder(w).Encode(map[string]any{"payload": map[string]any{"scopes": grant.Scopes}})
		return
	}
	w.WriteHeader(http.StatusForbidden)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": []map[string]string{{
		"code": "Unauthorized", "message": "Access to requested resource is denied.", "details": details,
	}}})
}

// connect is the proxy: it leads Amazon's hosts to one address, and no other host
// anywhere.
func connect(w http.ResponseWriter, r *http.Request, address string) {
	host, port, _ := net.SplitHostPort(r.Host)
	known := false
	for _, h := range hosts {
		known = known || h == host
	}
	if r.Method != http.MethodConnect || !known || port != "443" {
		http.Error(w, "there is nothing but Amazon here", http.StatusForbidden)
		return
	}
	up, err := new(net.Dialer).DialContext(context.WithoutCancel(r.Context()), "tcp", address)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	down, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		_ = up.Close()
		return
	}
	_, _ = io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n")
	go pipe(up, down)
	go pipe(down, up)
}

// pipe copies until either side is done, and ends both.
func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_, _ = to.Close(), from.Close()
}

// certificate makes one for Amazon's hosts, and the authority that strangers are told to
// trust.
func (a *sandbox) certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "interop"}, DNSNames: hosts,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	a.authority = filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(a.authority, text, 0o600); err != nil {
		t.Fatal(err)
	}
	a.roots = x509.NewCertPool()
	a.roots.AppendCertsFromPEM(text)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// client is an HTTP client that finds Amazon here.
func (a *sandbox) client() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy: http.ProxyURL(a.proxy), TLSClientConfig: &tls.Config{RootCAs: a.roots, MinVersion: tls.VersionTLS12},
	}}
}

// env tells a stranger's program where Amazon is, and who it is itself.
func (a *sandbox) env() []string {
	me := a.Client()
	return []string{
		"HTTPS_PROXY=" + a.proxy.String(), "https_proxy=" + a.proxy.String(), "NO_PROXY=", "no_proxy=",
		"NODE_EXTRA_CA_CERTS=" + a.authority, "REQUESTS_CA_BUNDLE=" + a.authority,
		"LWA_CLIENT_ID=" + me.ClientID, "LWA_CLIENT_SECRET=" + me.ClientSecret.Reveal(), "LWA_REDIRECT_URL=" + me.RedirectURL,
	}
}

// agree has the customer agree on a stranger's page, and returns what comes back.
func agree(t *testing.T, srv *lwatest.Server, page string) url.Values {
	t.Helper()
	back, err := srv.Visit(page, lwatest.Visitor{})
	if err != nil {
		t.Fatal(err)
	}
	q := back.Query()
	if q.Get("code") == "" || !strings.HasPrefix(back.String(), lwatest.DefaultRedirectURL) {
		t.Fatalf("the browser came back to %s without a code", back.Path)
	}
	return q
}
