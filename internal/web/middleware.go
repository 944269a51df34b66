package web

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Options are the knobs of [Wrap].
type Options struct {
	AllowedOrigins []string         // makers' sites that may call from a page
	Now            func() time.Time // nil: time.Now
	Throttled      []string         // "METHOD /path" of the open calls: 20/s and a burst of 100 for each address
}

// Wrap puts around a handler what every route has: recovery from a panic, security
// headers, CORS for the allowed origins, and the throttle on the open calls.
func Wrap(h http.Handler, o Options) http.Handler {
	if len(o.Throttled) > 0 {
		h = (&throttle{next: h, routes: o.Throttled, now: o.Now}).init()
	}
	return recovered(secured(cors(h, o.AllowedOrigins)))
}

func recovered(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch p := recover(); {
			case p == nil:
			case isAbort(p):
				panic(p)
			default: // the value may hold what the request held: it is not logged
				slog.ErrorContext(r.Context(), "handler panicked", "method", r.Method, "path", r.URL.Path)
				WriteProblem(w, New(CodeInternal, "something went wrong on our side; it has been logged"))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

func isAbort(p any) bool {
	err, ok := p.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

func secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cache-Control", "no-store") // of the redirects of net/http, too, whose query may hold a code
		next.ServeHTTP(w, r)
	})
}

func cors(next http.Handler, origins []string) http.Handler {
	if len(origins) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		origin := r.Header.Get("Origin")
		if !slices.Contains(origins, origin) {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Origin", origin)
		if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
			h.Set("Access-Control-Allow-Methods", "GET, POST, DELETE")
			h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key")
			h.Set("Access-Control-Max-Age", "600")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		h.Set("Access-Control-Expose-Headers", "Retry-After")
		next.ServeHTTP(w, r)
	})
}

// The open calls are throttled by address: rate per second, burst, and how many
// addresses are remembered, the longest silent forgotten first.
const (
	throttleRate  = 20
	throttleBurst = 100
	throttleKnown = 10_000
)

// throttle counts in memory: on Lambda each instance counts for itself, with the
// throttle of API Gateway, which is one for all addresses, before it.
type throttle struct {
	next   http.Handler
	routes []string
	now    func() time.Time

	mu    sync.Mutex
	known map[string]*visitor
}

type visitor struct {
	limit *rate.Limiter
	seen  time.Time
}

func (t *throttle) init() *throttle {
	t.known = map[string]*visitor{}
	if t.now == nil {
		t.now = time.Now
	}
	return t
}

func (t *throttle) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if slices.Contains(t.routes, r.Method+" "+r.URL.Path) && !t.allow(address(r)) {
		p := New(CodeTooManyRequests, "too many calls from this address; 20 a second are taken")
		p.RetryAfter = time.Second
		WriteProblem(w, p)
		return
	}
	t.next.ServeHTTP(w, r)
}

func (t *throttle) allow(address string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	v := t.known[address]
	if v == nil {
		t.forget(now)
		v = &visitor{limit: rate.NewLimiter(throttleRate, throttleBurst)}
		t.known[address] = v
	}
	v.seen = now
	return v.limit.AllowN(now, 1)
}

// forget makes room: a visitor silent for burst/rate seconds has a full bucket again,
// so nothing is lost with it. When all are busy, any one goes.
func (t *throttle) forget(now time.Time) {
	if len(t.known) < throttleKnown {
		return
	}
	for a, v := range t.known {
		if now.Sub(v.seen) > throttleBurst/throttleRate*time.Second {
			delete(t.known, a)
		}
	}
	for a := range t.known {
		if len(t.known) < throttleKnown {
			return
		}
		delete(t.known, a)
	}
}

// address returns whom the throttle counts: an IPv4 address, or the /64 of an IPv6
// address, all of which one customer line has to itself.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr // API Gateway gives the address alone
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	addr = addr.Unmap().WithZone("")
	if addr.Is4() {
		return addr.String()
	}
	return netip.PrefixFrom(addr, 64).Masked().String()
}
