package doctor

import (
	"cmp"
	"net/url"
	"strings"

	"github.com/restock-dev/restock/internal/pairing"
	"github.com/restock-dev/restock/pkg/lwa"
)

// regionOf returns the region whose host an address of LWA names, "" for a host that is not
// Amazon's.
func regionOf(address string) lwa.Region {
	for _, r := range []lwa.Region{lwa.NA, lwa.EU, lwa.FE} {
		e := r.Endpoint()
		if host := hostOf(address); strings.EqualFold(host, hostOf(e.APIURL)) || strings.EqualFold(host, hostOf(e.AuthorizeURL)) {
			return r
		}
	}
	return ""
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// hosts checks the addresses by themselves: whether they are those of the region, and
// whether what is sent there is encrypted.
func (l *LWA) hosts(f *Findings) {
	const check = "region"
	region, known := cmp.Or(l.Region, lwa.NA), false
	for _, one := range []struct{ address, setting string }{
		{l.Client.Endpoint.APIURL, l.Names.LWAURL},
		{l.Client.Endpoint.AuthorizeURL, l.Names.AuthorizeURL},
	} {
		if u, err := url.Parse(one.address); err == nil && u.Scheme == "http" && !pairing.IsLoopback(u.Hostname()) {
			f.Warn("encryption", one.setting, "Use https outside of tests.", "What is sent to %s can be read on the way.", one.address)
		}
		switch found := regionOf(one.address); found {
		case "":
		case region:
			known = true
		default:
			f.Fail(check, l.Names.Region+", "+one.setting, "Set the region to "+string(found)+", or the address to one of "+string(region)+"; Amazon's own need not be set.",
				"%s is an address of the region %s, and the region is set to %s.", one.address, found, region)
			return
		}
	}
	if known {
		f.OK(check, "The addresses are those of the region %s.", region)
	}
}
