package callback

import (
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/restock-dev/restock/internal/store"
)

// A login is bound to the browser that began it by a cookie of its own, so that logins
// in several tabs don't disturb each other. The cookie is sent to the callback alone.
// What /login can see is the index, a cookie with the names of the newest ones, by
// which it keeps their number small.
const (
	cookiePrefix = "restock_login_" // and the hash of the state
	cookieIndex  = "restock_logins"
	maxLogins    = 6
)

func isStateHash(s string) bool { return len(s) == 64 && hexadecimal.MatchString(s) }

// setCookies binds a login to the browser, and forgets the oldest beyond maxLogins.
func (h *Handler) setCookies(w http.ResponseWriter, r *http.Request, l *store.Login, secret string) {
	names := append(indexed(r), l.StateHash)
	for len(names) > maxLogins {
		h.setCookie(w, cookiePrefix+names[0], "", h.redirect.EscapedPath(), -1)
		names = names[1:]
	}
	seconds := int(store.LoginTTL.Seconds())
	h.setCookie(w, cookiePrefix+l.StateHash, secret, h.redirect.EscapedPath(), seconds)
	h.setCookie(w, cookieIndex, strings.Join(names, "."), h.path("login"), seconds)
}

func (h *Handler) setCookie(w http.ResponseWriter, name, value, path string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // Secure wherever HTTPS is: plain HTTP is loopback only
		Name: name, Value: value, Path: path, MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: h.redirect.Scheme == "https",
	})
}

// indexed returns the logins that the index names, oldest first.
func indexed(r *http.Request) []string {
	c, err := r.Cookie(cookieIndex)
	if err != nil {
		return nil
	}
	var names []string
	for name := range strings.SplitSeq(c.Value, ".") {
		if isStateHash(name) {
			names = append(names, name)
		}
	}
	return names[max(0, len(names)-maxLogins):]
}

// sameBrowser reports whether the request comes from the browser that began the login.
// A login that any browser may finish has no cookie.
func sameBrowser(r *http.Request, l *store.Login) bool {
	if l.CookieHash == "" {
		return true
	}
	for _, c := range r.CookiesNamed(cookiePrefix + l.StateHash) {
		if subtle.ConstantTimeCompare([]byte(hash(c.Value)), []byte(l.CookieHash)) == 1 {
			return true
		}
	}
	return false
}

// begun returns the state hashes of the logins that this browser says it began.
func begun(r *http.Request) []string {
	var hashes []string
	for _, c := range r.Cookies() {
		name, ok := strings.CutPrefix(c.Name, cookiePrefix)
		if ok && isStateHash(name) && len(hashes) < maxLogins {
			hashes = append(hashes, name)
		}
	}
	return hashes
}
