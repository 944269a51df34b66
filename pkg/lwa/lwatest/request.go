package lwatest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Route is one of the server's addresses, whatever the spelling of its path.
type Route string

// The routes.
const (
	RouteAuthorize Route = "authorize" // GET /ap/oa
	RouteConsent   Route = "consent"   // POST /ap/oa/consent, the answer of the page
	RouteToken     Route = "token"     // POST /auth/o2/token
	RouteCodePair  Route = "codepair"  // POST /auth/o2/create/codepair
	RouteVerify    Route = "verify"    // GET and POST /us/code, where customers enter user codes
	RouteTokenInfo Route = "tokeninfo" // GET /auth/o2/tokeninfo
	RouteProfile   Route = "profile"   // GET /user/profile
	RouteAppstore  Route = "appstore"  // any method, everything under /api/appstore/
	RouteSDK       Route = "sdk"       // GET /sdk/login1.js, the SDK for JavaScript
)

// The addresses that are more than a line of the table.
const (
	verifyPath     = "/us/code"
	appstorePrefix = "/api/appstore/"
)

var routeNames = []Route{
	RouteAuthorize, RouteConsent, RouteToken, RouteCodePair, RouteVerify, RouteTokenInfo, RouteProfile, RouteAppstore,
	RouteSDK,
}

// Routes lists the routes.
func Routes() []Route { return slices.Clone(routeNames) }

// routes holds both spellings that Amazon's own material uses.
var routes = map[string]Route{
	"/ap/oa":                   RouteAuthorize,
	"/ap/oa/consent":           RouteConsent,
	"/auth/o2/token":           RouteToken,
	"/auth/O2/token":           RouteToken,
	"/auth/o2/create/codepair": RouteCodePair,
	"/auth/O2/create/codepair": RouteCodePair,
	verifyPath:                 RouteVerify,
	"/auth/o2/tokeninfo":       RouteTokenInfo,
	"/auth/O2/tokeninfo":       RouteTokenInfo,
	"/user/profile":            RouteProfile,
	"/sdk/login1.js":           RouteSDK,
	"/sdk/na/login1.js":        RouteSDK, // as on assets.loginwithamazon.com
}

// methods are those of a route; none: any. HEAD is GET whose body stays away.
var methods = map[Route][]string{
	RouteAuthorize: {http.MethodGet, http.MethodHead},
	RouteConsent:   {http.MethodPost},
	RouteToken:     {http.MethodPost},
	RouteCodePair:  {http.MethodPost},
	RouteVerify:    {http.MethodGet, http.MethodHead, http.MethodPost},
	RouteTokenInfo: {http.MethodGet, http.MethodHead},
	RouteProfile:   {http.MethodGet, http.MethodHead},
	RouteSDK:       {http.MethodGet, http.MethodHead},
}

var knownMethods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

// routeOf returns the route of a path, and the path as it may be repeated.
func routeOf(path string) (Route, string) {
	if route, ok := routes[path]; ok {
		return route, path
	}
	if strings.HasPrefix(path, appstorePrefix) {
		return RouteAppstore, appstorePrefix
	}
	return "", unknown
}

// Limits on a request, in bytes.
const (
	maxRequestBody = 64 << 10
	maxQuery       = 8 << 10
)

// request is what of an HTTP request the server looks at.
type request struct {
	id       string
	now      time.Time
	sw       *Switches // as they were when it came; never written to
	route    Route     // "" for an unknown path
	method   string    // "(unknown)" for one that HTTP doesn't know
	path     string    // "(unknown)" with an unknown route
	query    string
	params   url.Values // of the query or the body, whichever the route reads
	bad      *refusal   // why the body can't be read
	basic    bool       // there are credentials in the Authorization header
	basicID  string
	basicKey string
	header   http.Header
	origin   string   // scheme and host, as the request names them
	after    []func() // to do once s.mu is free
}

func (s *Server) read(r *http.Request) *request {
	q := &request{
		id: newRequestID(), now: s.clock.Now(), sw: s.switches(),
		method: r.Method, query: r.URL.RawQuery, header: r.Header, origin: originOf(r),
	}
	q.route, q.path = routeOf(r.URL.Path)
	q.readBasic(r)
	if !slices.Contains(knownMethods, r.Method) {
		q.method = unknown
	}
	switch {
	case len(q.query) > maxQuery:
		q.bad = &tooLong
	case r.Method == http.MethodPost && slices.Contains(methods[q.route], r.Method):
		q.readBody(r)
	default: // what can't be parsed is left out here; the authorize page looks closer
		q.params, _ = url.ParseQuery(q.query)
	}
	return q
}

// readBasic reads the credentials of the Authorization header.
func (q *request) readBasic(r *http.Request) {
	q.basicID, q.basicKey, q.basic = r.BasicAuth()
	if !q.basic || !q.sw.BasicEncoded {
		return
	}
	id, badID := url.QueryUnescape(q.basicID)
	key, badKey := url.QueryUnescape(q.basicKey)
	if badID == nil && badKey == nil { // else they were not encoded
		q.basicID, q.basicKey = id, key
	}
}

func originOf(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// readBody reads a form or, at the token endpoint, JSON, and minds what happens at
// Amazon when the content type and the body disagree.
func (q *request) readBody(r *http.Request) {
	body, err := bodyOf(r)
	switch {
	case err != nil:
		q.bad = &malformed
		return
	case len(body) > maxRequestBody:
		q.bad = &tooLong
		return
	}
	media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch strings.ToLower(strings.TrimSpace(media)) {
	case "application/x-www-form-urlencoded":
		q.params, err = url.ParseQuery(string(body))
		if err != nil {
			q.bad = &malformed
		}
		if q.params.Get("grant_type") == "" && q.route == RouteToken {
			q.bad = nil // nothing was understood, not even what was asked
		}
	case "application/json":
		q.readJSON(body)
	case "multipart/form-data": // not understood, but no error of its own
	default:
		q.bad = &unknownContentType
	}
}

// bodyOf reads what was announced, else a byte more than there may be, and no more.
func bodyOf(r *http.Request) ([]byte, error) {
	if r.ContentLength <= 0 || r.ContentLength > maxRequestBody {
		return io.ReadAll(io.LimitReader(r.Body, maxRequestBody+1))
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

func (q *request) readJSON(body []byte) {
	var members map[string]any
	if !q.sw.JSONBodies || q.route != RouteToken {
		q.bad = &unknownContentType
		return
	}
	if err := json.Unmarshal(body, &members); err != nil {
		q.bad = &malformed
		return
	}
	q.params = make(url.Values, len(members))
	for name, v := range members {
		if text, ok := v.(string); ok {
			q.params.Set(name, text)
		} else if list, ok := texts(v); ok && name == "scope" && q.sw.JSONScopeLists {
			q.params.Set(name, strings.Join(list, " "))
		} else if slices.Contains(paramNames, name) {
			bad := invalidParam(name)
			q.bad = &bad
		}
	}
}

// texts returns a JSON list of nothing but text.
func texts(v any) ([]string, bool) {
	list, ok := v.([]any)
	out := make([]string, len(list))
	for i := range list {
		if out[i], ok = list[i].(string); !ok {
			return nil, false
		}
	}
	return out, ok
}

// grantType returns the grant type, of the token route, if it is a known one.
func (q *request) grantType() string {
	g := q.params.Get("grant_type")
	switch {
	case q.route != RouteToken || g == "":
		return ""
	case slices.Contains(grantTypes, g):
		return g
	}
	return unknown
}

func (q *request) clientID() string {
	if id := q.params.Get("client_id"); id != "" || !q.basic {
		return id
	}
	return q.basicID
}

// paramNames, sorted, are the parameters that the journal names and refusals repeat. Anything
// else could be a secret in the place of a name.
var paramNames = []string{
	"access_token", "client_id", "client_secret", "code", "code_challenge", "code_challenge_method",
	"code_verifier", "customer", "decision", "device_code", "grant_type", "redirect_uri", "refresh_token",
	"response_type", "scope", "scope_data", sdkOrigin, "state", "user_code",
}

// knownNames returns those of paramNames that were sent, sorted.
func knownNames(params url.Values) []string {
	var names []string
	for _, name := range paramNames {
		if params.Has(name) {
			names = append(names, name)
		}
	}
	return names
}

// names are what the journal says was sent.
func (q *request) names() []string {
	names := knownNames(q.params)
	if q.basic {
		names = append(names, "(basic)")
	}
	return names
}

// repeated returns the refusal for a known parameter that was sent more than once.
func (q *request) repeated(params url.Values) *refusal {
	if q.sw.RepeatedParams {
		return nil
	}
	for _, name := range paramNames {
		if len(params[name]) > 1 {
			bad := invalidParam(name)
			return &bad
		}
	}
	return nil
}
