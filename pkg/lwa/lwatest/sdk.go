package lwatest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
)

// sdkReply is the SDK for JavaScript, made for pages that sign customers in here: where
// a page loads it from is where it sends them.
//
// Source: developer.amazon.com/docs/login-with-amazon/javascript-sdk-reference.html
var sdkReply = reply{status: http.StatusOK, script: []byte(mustRead("sdk/login1.js")), outcome: "SDK"}

// sdkOrigin is the parameter by which the SDK says that it waits, on a page of this
// origin, for what its window will tell. Between the two of them Amazon documents nothing.
const sdkOrigin = "sdk_origin"

// tell answers the SDK that has opened this window.
func (a *authorization) tell(q *request, params url.Values, outcome string) reply {
	if state := a.echo(q); state != "" {
		params.Set("state", state)
	}
	answer := map[string]string{}
	for name := range params {
		answer[name] = params.Get(name)
	}
	text, _ := json.Marshal(answer) // texts always marshal
	page := render("popup.html", struct{ Origin, Answer string }{a.origin, string(text)})
	return reply{status: http.StatusOK, html: page, outcome: outcome}
}

// isOrigin reports whether s is an origin as browsers write it.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && s == u.Scheme+"://"+u.Host
}

// callableFrom reports whether pages of an origin may use the client.
func (c *client) callableFrom(origin string) bool {
	if len(c.Origins) > 0 {
		return slices.Contains(c.Origins, origin)
	}
	u, err := url.Parse(origin)
	return err == nil && isOrigin(origin) && isLoopback(u.Hostname())
}

// scripted are the routes that a page's script calls: those of the SDK.
var scripted = []Route{RouteToken, RouteTokenInfo, RouteProfile}

// describeSharing lets scripts of allowed origins read the answer. How Amazon does that is
// not known; its SDK gets tokens and profiles in browsers.
func (s *Server) describeSharing(h http.Header, q *request) {
	origin := q.header.Get("Origin")
	if origin == "" || !slices.Contains(scripted, q.route) {
		return
	}
	h.Set("Vary", "Origin")
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.st.clients {
		if k.callableFrom(origin) {
			h.Set("Access-Control-Allow-Origin", origin)
			if q.method == http.MethodOptions && q.sw.Preflight {
				h.Set("Access-Control-Allow-Methods", "GET, POST")
				h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, X-Amz-Access-Token")
			}
			return
		}
	}
}
