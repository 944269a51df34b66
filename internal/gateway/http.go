package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/awslabs/aws-lambda-go-api-proxy/core"
	"github.com/awslabs/aws-lambda-go-api-proxy/httpadapter"

	"github.com/restock-dev/restock/internal/web"
)

// serve gives an HTTP API event to f.HTTP. httpadapter makes the request; what it gets
// wrong for us is put right before, where it would log a URL that it can't parse, and
// after, where it splits headers at commas.
func (f *Function) serve(ctx context.Context, payload []byte) ([]byte, error) {
	var e events.APIGatewayV2HTTPRequest
	if json.Unmarshal(payload, &e) != nil { // its error may repeat what the event holds
		return nil, f.refuse("this event looks like " + httpRequest.String() + ", but has a malformed member")
	}
	if p := straighten(&e); p != nil {
		return answerProblem(p)
	}
	adapter := httpadapter.NewV2(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Host, r.Header = host(&e), headers(&e)
		a := &answer{ResponseWriter: w, bodiless: r.Method == http.MethodHead}
		f.HTTP.ServeHTTP(a, r)
		a.WriteHeader(http.StatusOK) // as net/http does for a handler that wrote nothing
	}))
	response, err := adapter.ProxyWithContext(ctx, e)
	if err != nil {
		return nil, f.refuse("this request can't be read")
	}
	return json.Marshal(response)
}

// straighten makes e such that httpadapter can turn it into a request, or says why
// that can't be.
func straighten(e *events.APIGatewayV2HTTPRequest) *web.Problem {
	if e.IsBase64Encoded {
		body, err := base64.StdEncoding.DecodeString(e.Body)
		if err != nil {
			return web.New(web.CodeBadBody, "the body did not arrive whole; send it again")
		}
		e.Body, e.IsBase64Encoded = string(body), false
	}
	// The raw query has the keys that came twice; the map has them joined with commas.
	e.QueryStringParameters = nil
	e.RawPath = escapedPath(e.RawPath)
	if _, err := http.NewRequest(e.RequestContext.HTTP.Method, "https://"+e.RequestContext.DomainName+e.RawPath+"?"+e.RawQueryString, nil); err != nil { //nolint:noctx // only looked at, never sent
		return web.New(web.CodeBadField, "the method, path or query is malformed")
	}
	return nil
}

// escapedPath returns a path as it is in a URL. API Gateway gives it as it came, sam
// local gives it unescaped.
func escapedPath(raw string) string {
	raw = "/" + strings.TrimPrefix(raw, "/")
	path, err := url.PathUnescape(raw)
	if err != nil {
		path = raw
	}
	return (&url.URL{Path: path, RawPath: raw}).EscapedPath()
}

// host returns the host that the caller named: the API's domain, with the port that the
// Host header has under sam local.
func host(e *events.APIGatewayV2HTTPRequest) string {
	domain := e.RequestContext.DomainName
	for name, value := range e.Headers {
		if !strings.EqualFold(name, "Host") {
			continue
		}
		if h, _, err := net.SplitHostPort(value); domain == "" || err == nil && strings.EqualFold(h, domain) {
			return value
		}
	}
	return domain
}

// headers returns the headers with their values whole. API Gateway has joined those
// that came twice; where it knew of cookies, they are apart.
func headers(e *events.APIGatewayV2HTTPRequest) http.Header {
	h := http.Header{}
	for name, value := range e.Headers {
		switch name = http.CanonicalHeaderKey(name); name {
		case "Host", "Content-Length", "Transfer-Encoding":
		default:
			h.Set(name, value)
		}
	}
	if len(e.Cookies) > 0 {
		h.Set("Cookie", strings.Join(e.Cookies, "; "))
	}
	return h
}

// answer keeps net/http's rules, which httpadapter's writer does not: the first status
// counts, and some answers have no body.
type answer struct {
	http.ResponseWriter
	wrote    bool
	bodiless bool
}

func (a *answer) WriteHeader(status int) {
	if a.wrote || status < 200 {
		return
	}
	a.wrote = true
	a.bodiless = a.bodiless || status == http.StatusNoContent || status == http.StatusNotModified
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(body []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.bodiless {
		return len(body), nil
	}
	return a.ResponseWriter.Write(body)
}

func answerProblem(p *web.Problem) ([]byte, error) {
	w := core.NewProxyResponseWriterV2()
	web.WriteProblem(w, p)
	response, err := w.GetProxyResponse()
	if err != nil {
		return nil, err
	}
	return json.Marshal(response)
}
