package lwa

import (
	"fmt"
	"strings"
)

// Marketplace is one of Amazon's shops, by the country code that Amazon writes: US, UK,
// DE, JP.
type Marketplace string

type marketplace struct {
	id     string
	region Region
}

// Source: developer-docs.amazon.com/sp-api/docs/marketplace-ids
var marketplaces = map[Marketplace]marketplace{
	"CA": {"A2EUQ1WTGCTBG2", NA}, "US": {"ATVPDKIKX0DER", NA}, "MX": {"A1AM78C64UM0Y8", NA}, "BR": {"A2Q3Y263D00KWC", NA},
	"IE": {"A28R8C7NBKEWEA", EU}, "ES": {"A1RKKUPIHCS9HS", EU}, "UK": {"A1F83G8C2ARO7P", EU}, "FR": {"A13V1IB3VIYZZH", EU},
	"BE": {"AMEN7PMS3EDWL", EU}, "NL": {"A1805IZSGTT6HS", EU}, "DE": {"A1PA6795UKMFR9", EU}, "IT": {"APJ6JRA9NG5V4", EU},
	"SE": {"A2NODRKZP88ZB9", EU}, "ZA": {"AE08WJ6YKNBMC", EU}, "PL": {"A1C3SOZRARQ6R3", EU}, "EG": {"ARBP9OOSHTCHU", EU},
	"TR": {"A33AVAJ2PDY3EV", EU}, "SA": {"A17E79C6D8DWNP", EU}, "AE": {"A2VIGQ35RCS4UG", EU}, "IN": {"A21TJRUUN4KGV", EU},
	"SG": {"A19VAU5U5O7RUS", FE}, "AU": {"A39IBJ37TRP1C6", FE}, "JP": {"A1VC38T7YXB528", FE},
}

// ParseMarketplace reads a country code in either case, GB as well as UK, or
// a marketplace ID such as A1PA6795UKMFR9.
func ParseMarketplace(s string) (Marketplace, error) {
	code := Marketplace(strings.ToUpper(s))
	if code == "GB" {
		code = "UK"
	}
	if _, ok := marketplaces[code]; ok {
		return code, nil
	}
	for m, known := range marketplaces {
		if known.id == s {
			return m, nil
		}
	}
	return "", fmt.Errorf("lwa: marketplace %.20q is neither the country code nor the ID of one of Amazon's", s)
}

// ID is what Amazon's APIs call the marketplace, "" for an unknown one.
func (m Marketplace) ID() string { return marketplaces[m].id }

// Region is the one that the marketplace belongs to; [NA] for an unknown one.
func (m Marketplace) Region() Region {
	if known, ok := marketplaces[m]; ok {
		return known.region
	}
	return NA
}

// Endpoint is where customers of the marketplace sign in, and where their tokens come
// from: that of its Region.
func (m Marketplace) Endpoint() Endpoint { return m.Region().Endpoint() }
