package lwa

import (
	"fmt"
	"strings"
)

// Region names one of Amazon's sets of hosts. Neither an application nor a token is tied to
// one.
type Region string

// The regions: North America, Europe, and the Far East.
const (
	NA Region = "na"
	EU Region = "eu"
	FE Region = "fe"
)

// ParseRegion reads na, eu or fe in either case.
func ParseRegion(s string) (Region, error) {
	r := Region(strings.ToLower(s))
	if _, ok := endpoints[r]; !ok {
		return "", fmt.Errorf("lwa: region %.20q is none of na, eu, fe", s)
	}
	return r, nil
}

// Endpoint is where LWA answers. The zero Endpoint is that of [NA].
//
// Amazon documents the authorize page and the token endpoint for all three regions. For
// [Client.CreateCodePair] it documents the API of NA alone, and the same path in EU and FE is
// a guess; for [Client.TokenInfo] and [Client.Profile] the hosts of EU and FE are known from
// Amazon Pay's SDKs only.
type Endpoint struct {
	// AuthorizeURL is the full URL of the page where customers sign in; empty:
	// APIURL + "/ap/oa". A query in it is kept.
	AuthorizeURL string
	// APIURL is the base of the API, such as https://api.amazon.com. Client secret, codes and
	// tokens are sent there, and nothing keeps a base that begins with http:// from
	// being used: then they travel in clear. That is for tests alone, on this machine or
	// between containers of a private network; anywhere else it has to be https://.
	APIURL string
}

// Source: advertising.amazon.com "Authorization grants" (authorize pages);
// developer.amazon.com/docs/amazon-data-portability/lwa-access-token.html (API).
var endpoints = map[Region]Endpoint{
	NA: {AuthorizeURL: "https://www.amazon.com/ap/oa", APIURL: "https://api.amazon.com"},
	EU: {AuthorizeURL: "https://eu.account.amazon.com/ap/oa", APIURL: "https://api.amazon.co.uk"},
	FE: {AuthorizeURL: "https://apac.account.amazon.com/ap/oa", APIURL: "https://api.amazon.co.jp"},
}

// Endpoint returns Amazon's hosts. Any other value than the three is taken as [NA].
func (r Region) Endpoint() Endpoint {
	if e, ok := endpoints[r]; ok {
		return e
	}
	return endpoints[NA]
}

// authorizeURL returns the authorize page of e.
func (e Endpoint) authorizeURL() string {
	switch {
	case e.AuthorizeURL != "":
		return e.AuthorizeURL
	case e.APIURL != "":
		return e.apiURL() + "/ap/oa"
	}
	return endpoints[NA].AuthorizeURL
}

// apiURL returns the API's base, "" for an endpoint that has only an authorize page:
// to guess there would send secrets to a host that nobody named.
func (e Endpoint) apiURL() string {
	if e == (Endpoint{}) {
		return endpoints[NA].APIURL
	}
	return strings.TrimSuffix(e.APIURL, "/")
}
