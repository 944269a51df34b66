package pairing

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
)

// errRedirectURL says what a redirect URL should be. It repeats nothing of the value.
var errRedirectURL = errors.New("the redirect URL must be absolute, https (http only on loopback), " +
	"without user, query and fragment, such as https://pair.example.com/callback")

// ParseRedirectURL checks our redirect URL. LWA compares it byte by byte with what is
// registered there, so it is taken as it is.
func ParseRedirectURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || len(s) > 2048 || strings.Contains(s, "#") {
		return nil, errRedirectURL
	}
	secure := u.Scheme == "https" || u.Scheme == "http" && IsLoopback(u.Hostname())
	bare := u.User == nil && u.RawQuery == "" && !u.ForceQuery
	if !secure || !bare || u.Hostname() == "" || !strings.HasPrefix(u.Path, "/") {
		return nil, errRedirectURL
	}
	return u, nil
}

// IsLoopback reports whether a host name stands for this machine.
func IsLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}
