package lwatest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// reply is an answer before it is written.
type reply struct {
	status   int
	json     any    // written as JSON,
	html     []byte // or this as a page,
	script   []byte // or this as JavaScript,
	location string // or a redirect
	refused  bool
	allow    string // the methods of a 405
	realm    bool   // asks for credentials in a header, as 401 must when they came in one
	outcome  string // for the journal
}

// refusal is one line of Amazon's catalogue of errors.
type refusal struct {
	status      int
	code        string
	description string
	about       string // the parameter, for the journal
}

// The refusals. Texts are Amazon's to the letter, statuses as observed.
//
// Source: developer.amazon.com/docs/app-submission-api/auth.html and
// developer.amazon.com/docs/login-with-amazon/authorization-code-grant.html
var (
	malformed            = refusal{400, "invalid_request", "Malformed request", ""}
	tooLong              = refusal{413, "invalid_request", "Malformed request", ""}
	unknownContentType   = refusal{400, "invalid_request", "The Content-Type is not supported by the authorization server", ""}
	unsupportedGrantType = refusal{400, "unsupported_grant_type", "The authorization grant type is not supported by the authorization server", ""}
	invalidClient        = refusal{401, "invalid_client", "Client authentication failed", ""}
	unauthorizedClient   = refusal{400, "unauthorized_client", "Not authorized for requested operation", ""}
	invalidScope         = refusal{400, "invalid_scope", "The request has an invalid parameter : scope", "scope"}
	unknownScope         = refusal{400, "invalid_scope", "An unknown scope was requested", ""}
	notPermitted         = refusal{400, "access_denied", "Access not permitted.", ""}
	insufficientScope    = refusal{401, "insufficient_scope", "The access token does not have the scope for this request", ""}
	full                 = refusal{503, "temporarily_unavailable", "The sandbox holds as many grants as it can", ""}
	serverTrouble        = refusal{500, "ServerError", "The server encountered a runtime error", ""}
	badToken             = refusal{400, "invalid_token", "The request has an invalid parameter : access_token", "access_token"}
	revokedToken         = refusal{400, "invalid_grant", "The request has an invalid grant parameter : refresh_token. User may have revoked or didn't grant the permission.", "refresh_token"}
)

func missingParam(name string) refusal {
	return refusal{400, "invalid_request", "The request is missing a required parameter : " + name, name}
}

func invalidParam(name string) refusal {
	return refusal{400, "invalid_request", "The request has an invalid parameter : " + name, name}
}

func invalidGrant(name string) refusal {
	return refusal{400, "invalid_grant", "The request has an invalid grant parameter : " + name, name}
}

// outcome is the refusal in the journal.
func (r refusal) outcome() string {
	if r.about != "" {
		return r.code + ": " + r.about
	}
	return r.code
}

type errorBody struct {
	Description string `json:"error_description"`
	Code        string `json:"error"`
	Index       string `json:"error_index,omitempty"`
	RequestID   string `json:"request_id,omitempty"`
}

// refuse makes the JSON answer of a refusal.
func (q *request) refuse(r refusal) reply {
	r.status = q.sw.status(r)
	body := errorBody{Description: r.description, Code: r.code}
	if !q.sw.OmitErrorIDs {
		body.Index = base64.StdEncoding.EncodeToString(random(48))
		body.RequestID = q.id
	}
	return reply{
		status: r.status, json: body, refused: true, outcome: r.outcome(),
		realm: r.status == http.StatusUnauthorized && q.basic,
	}
}

// answer does the work of a request.
func (s *Server) answer(q *request) reply {
	p := s.route(q)
	for _, f := range q.after {
		f()
	}
	return p
}

func (s *Server) route(q *request) reply {
	switch {
	case q.route == "":
		return s.errorPage(http.StatusNotFound, "There is nothing at this address.")
	case q.method == http.MethodOptions && q.sw.Preflight && slices.Contains(scripted, q.route):
		return reply{status: http.StatusOK, json: struct{}{}, outcome: "preflight"}
	case methods[q.route] != nil && !slices.Contains(methods[q.route], q.method):
		p := q.refuse(refusal{http.StatusMethodNotAllowed, "invalid_request", "The request method is not supported", ""})
		p.allow = strings.Join(methods[q.route], ", ")
		return p
	}
	switch q.route {
	case RouteAuthorize:
		return s.authorize(q)
	case RouteConsent:
		return s.consented(q)
	case RouteToken:
		return s.token(q)
	case RouteCodePair:
		return s.codePair(q)
	case RouteVerify:
		return s.verify(q)
	case RouteTokenInfo:
		return s.tokenInfo(q)
	case RouteAppstore:
		return s.appstore(q)
	case RouteSDK:
		return sdkReply
	default:
		return s.profile(q)
	}
}

// Headers of every answer, of which nobody changes the values in place.
var (
	noStore  = []string{"no-store"}
	noCache  = []string{"no-cache"}
	jsonType = []string{"application/json;charset=UTF-8"}
)

// write sends a reply, with the damage that a fault does to it.
func (s *Server) write(w http.ResponseWriter, q *request, p reply, f Fault) {
	body := append(p.html, p.script...)
	if p.json != nil {
		body, _ = json.Marshal(p.json) // of plain text and numbers, which can't fail
	}
	h := w.Header()
	h.Set("X-Amzn-Requestid", q.id)              // as net/http spells x-amzn-RequestId
	h.Set("Date", q.now.Format(http.TimeFormat)) // the clock's, not the machine's
	h["Cache-Control"], h["Pragma"] = noStore, noCache
	s.describe(h, q, p)
	if f.RetryAfter != "" {
		h.Set("Retry-After", f.RetryAfter)
	}
	status := p.status
	switch f.Kind {
	case WrongContentType:
		h.Set("Content-Type", "text/html;charset=UTF-8")
	case Empty:
		status, body = http.StatusOK, nil
		h.Del("Location")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	if f.Kind == Truncated {
		_, _ = w.Write(body[:len(body)/2])        // the client is cut off anyway
		_ = http.NewResponseController(w).Flush() // so that the half gets out
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body) // the client has gone
}

// describe sets the headers that depend on what kind of reply it is.
func (s *Server) describe(h http.Header, q *request, p reply) {
	switch {
	case p.location != "":
		h.Set("Location", p.location)
		h.Set("Referrer-Policy", "no-referrer")
	case p.script != nil:
		h.Set("Content-Type", "text/javascript;charset=UTF-8")
		h.Set("X-Content-Type-Options", "nosniff")
	case p.html != nil:
		h.Set("Content-Type", "text/html;charset=UTF-8")
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
	case q.sw.DocumentedContentType:
		h.Set("Content-Type", "application/json;charset UTF-8")
	default:
		h["Content-Type"] = jsonType
	}
	s.describeSharing(h, q)
	if p.allow != "" {
		h.Set("Allow", p.allow)
	}
	if p.realm {
		h.Set("WWW-Authenticate", `Basic realm="Login with Amazon"`)
	}
	if p.refused && q.sw.ErrorTypeHeader {
		h.Set("X-Amz-Date", q.now.Format(http.TimeFormat))
		h.Set("X-Amzn-ErrorType", "OA2InvalidRequestException:http://internal.amazon.com/coral/com.amazon.panda/")
	}
}
