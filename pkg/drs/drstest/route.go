package drstest

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Route is one of the calls of DRS, in all its versions.
type Route string

// The routes.
const (
	RouteReplenish        Route = "replenish"
	RouteSlotStatus       Route = "slotStatus"
	RouteDeviceStatus     Route = "deviceStatus"
	RouteSubscriptionInfo Route = "subscriptionInfo"
	RouteOrderInfo        Route = "getOrderInfo"
	RouteDeregister       Route = "deregister"
	RouteCancelTestOrders Route = "cancelTestOrders"
)

// Routes lists the routes.
func Routes() []Route {
	return []Route{
		RouteReplenish, RouteSlotStatus, RouteDeviceStatus, RouteSubscriptionInfo,
		RouteOrderInfo, RouteDeregister, RouteCancelTestOrders,
	}
}

// endpoint is a row of the table of calls.
type endpoint struct {
	route   Route
	method  string
	path    string   // {} is a parameter
	input   string   // x-amzn-type-version of the request
	results []string // what x-amzn-accept-type may ask for
	handle  func(*change, *request, *Registration) reply
}

const typePrefix = "com.amazon.dash.replenishment."

// obsoleteCancel is served behind a switch.
const obsoleteCancel = "/testOrders/{}"

// endpoints is the table of calls. Source: developer.amazon.com/docs/dash/api-overview.html
var endpoints = []endpoint{
	{RouteReplenish, "POST", "/replenish/{}", "DrsReplenishInput@1.0", []string{"DrsReplenishResult@1.0"}, replenish},
	{RouteSlotStatus, "POST", "/slotStatus/{}", "DrsSlotStatusInput@1.0", []string{"DrsSlotStatusResult@1.0"}, slotStatus},
	{RouteDeviceStatus, "POST", "/deviceStatus", "DrsDeviceStatusInput@1.0", []string{"DrsDeviceStatusResult@1.0"}, deviceStatus},
	{RouteSubscriptionInfo, "GET", "/subscriptionInfo", "DrsSubscriptionInfoInput@1.0", []string{subscriptionV2, subscriptionV1}, subscriptionInfo},
	{RouteOrderInfo, "GET", "/getOrderInfo/{}", "DrsOrderInfoInput@1.0", []string{"DrsOrderInfoResult@1.0"}, orderInfo},
	{RouteDeregister, "DELETE", "/registration", "DrsDeregisterInput@2.0", []string{"DrsDeregisterResult@1.0"}, deregister},
	{RouteDeregister, "DELETE", "/deviceModels/{}/devices/{}/registration", "DrsDeregisterInput@1.0", []string{"DrsDeregisterResult@1.0"}, deregisterV1},
	{RouteCancelTestOrders, "DELETE", "/testOrders/slots/{}", "DrsCancelTestOrdersInput@1.0", []string{"DrsCancelTestOrdersResult@1.0"}, cancelTestOrders},
	{RouteCancelTestOrders, "DELETE", "/testOrders", "DrsCancelTestOrdersInput@1.0", []string{"DrsCancelTestOrdersResult@1.0"}, cancelTestOrders},
	{RouteCancelTestOrders, "DELETE", obsoleteCancel, "DrsCancelTestOrdersInput@1.0", []string{"DrsCancelTestOrdersResult@1.0"}, cancelTestOrders},
}

const (
	subscriptionV1 = "DrsSubscriptionInfoResult@1.0"
	subscriptionV2 = "DrsSubscriptionInfoResult@2.0"
)

// maxRequest is how much of a request body is taken, in bytes. Amazon names no limit.
const maxRequest = 64 << 10

// request is what was asked.
type request struct {
	at       time.Time
	method   string
	endpoint *endpoint // nil: there is nothing at this path, or only for another method
	allow    string    // the methods of the path
	params   []string
	token    string
	input    []string // x-amzn-type-version
	accept   []string // x-amzn-accept-type
	body     []byte
	bodyErr  error
	device   deviceKey // once it is known
}

// read takes a request apart. The body is read for every call: only then does net/http
// notice that a client has gone away.
func (s *Server) read(w http.ResponseWriter, r *http.Request) *request {
	q := &request{
		at:     s.now(),
		method: r.Method,
		token:  bearer(r.Header.Values("Authorization")),
		input:  r.Header.Values("x-amzn-type-version"),
		accept: r.Header.Values("x-amzn-accept-type"),
	}
	q.find(r.URL.EscapedPath(), s.Switches().ObsoleteTestOrders)
	q.body, q.bodyErr = io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	return q
}

// find looks the path up, segment by segment: a percent-encoded slash is part of a slot.
func (q *request) find(path string, obsolete bool) {
	var methods []string
	for i := range endpoints {
		e := &endpoints[i]
		params, ok := match(e.path, path)
		if !ok || e.path == obsoleteCancel && !obsolete {
			continue
		}
		if e.method == q.method {
			q.endpoint, q.params = e, params
			return
		}
		methods = append(methods, e.method)
	}
	slices.Sort(methods)
	q.allow = strings.Join(slices.Compact(methods), ", ")
}

func match(pattern, path string) (params []string, ok bool) {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	for i, segment := range got {
		value, err := url.PathUnescape(segment)
		switch {
		case err != nil, value == "" && i > 0:
			return nil, false
		case want[i] == "{}":
			params = append(params, value)
		case want[i] != value:
			return nil, false
		}
	}
	return params, true
}

// bearer returns the token of the one Authorization header, "" without a good one.
func bearer(values []string) string {
	if len(values) != 1 {
		return ""
	}
	token, ok := strings.CutPrefix(values[0], "Bearer ")
	if !ok {
		return ""
	}
	return token
}

func (q *request) route() Route {
	if q.endpoint == nil {
		return ""
	}
	return q.endpoint.route
}

// result is the version that the answer will have.
func (q *request) result() string { return strings.TrimPrefix(q.accept[0], typePrefix) }

// check refuses what needs no look at the token.
func (q *request) check() (reply, bool) {
	var tooLarge *http.MaxBytesError
	switch {
	case q.endpoint == nil && q.allow == "":
		return refuse(http.StatusNotFound, "There is nothing at this path", "no such path"), false
	case q.endpoint == nil:
		p := refuse(http.StatusMethodNotAllowed, "This path takes "+q.allow, "wrong method")
		p.allow = q.allow
		return p, false
	case errors.As(q.bodyErr, &tooLarge):
		return refuse(http.StatusBadRequest, "The body is over 64 KiB", "body too large"), false
	case q.bodyErr != nil:
		return refuse(http.StatusBadRequest, "The body did not arrive whole", "body broke off"), false
	case len(q.input) != 1 || q.input[0] != typePrefix+q.endpoint.input:
		return refuse(http.StatusBadRequest, "x-amzn-type-version must be "+typePrefix+q.endpoint.input, "wrong type version"), false
	case len(q.accept) != 1 || !slices.Contains(q.endpoint.results, q.result()) || !strings.HasPrefix(q.accept[0], typePrefix):
		return refuse(http.StatusBadRequest, "x-amzn-accept-type must be "+typePrefix+q.endpoint.results[0], "wrong accept type"), false
	}
	return reply{}, true
}
