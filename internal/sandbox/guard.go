package sandbox

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/restock-dev/restock/internal/web"
)

// Handler serves the sandbox. hosts are further names that it may be called by, beside
// localhost and addresses: any other name may be a stranger's page whose name leads
// here, and is refused.
func (s *Sandbox) Handler(hosts ...string) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(refuseForeign))
	control := protection.Handler(web.Wrap(s.control(), web.Options{}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := r.URL.Path
		switch {
		case !knownHost(r.Host, hosts):
			web.WriteProblem(w, web.New(web.CodeBadField, "the sandbox answers to localhost and to addresses, not to this host name; restock sandbox --host-name takes one more"))
		case path == "/" || path == "/sandbox" || strings.HasPrefix(path, "/sandbox/"):
			control.ServeHTTP(w, r)
		case strings.HasPrefix(path, "/ap/"), strings.HasPrefix(path, "/auth/"), strings.HasPrefix(path, "/user/"),
			strings.HasPrefix(path, "/us/"), strings.HasPrefix(path, "/api/appstore/"), strings.HasPrefix(path, "/sdk/"):
			s.LWA.ServeHTTP(w, r)
		default: // not behind a ServeMux: a slot may be called ".."
			s.DRS.ServeHTTP(w, r)
		}
	})
}

// refuseForeign answers the page of another site that would play Amazon here.
func refuseForeign(w http.ResponseWriter, _ *http.Request) {
	web.WriteProblem(w, &web.Problem{
		Status: http.StatusForbidden, Code: "cross_origin",
		Detail: "the sandbox is not controlled by pages of other sites; use its own page, or a program",
	})
}

func knownHost(host string, known []string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	if _, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
		return true
	}
	for _, k := range known {
		if strings.EqualFold(host, k) {
			return true
		}
	}
	return false
}
