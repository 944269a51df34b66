package config

import (
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/restock-dev/restock/internal/pairing"
)

// Bounds of every value, and of every list.
const (
	maxValue = 4096 // bytes; also what Lambda takes for all variables together
	maxParts = 32
)

// check says what a variable should hold, and whether a value that is set does.
type check struct {
	want string
	ok   func(value string) bool
}

func (c check) accepts(value string) bool {
	return len(value) <= maxValue && utf8.ValidString(value) && !strings.ContainsFunc(value, unicode.IsControl) && c.ok(value)
}

var checks = map[string]check{
	"RESTOCK_TABLE":       {"the name of the DynamoDB table, 3 to 255 of A-Z a-z 0-9 _ . -", text(3, 255, "_.-")},
	"RESTOCK_LWA_SECRET":  {"the name or ARN of the Secrets Manager secret with the LWA credentials", secretID},
	"RESTOCK_KEYS_SECRET": {"the name or ARN of the Secrets Manager secret with the key ring", secretID},

	"RESTOCK_LWA_CLIENT_ID":     {"the client ID of the LWA security profile", clientID},
	"RESTOCK_LWA_CLIENT_SECRET": {"the client secret of the LWA security profile, at most 1024 bytes without spaces", visible(1024)},

	"RESTOCK_LWA_REGION": {"na, eu or fe", oneOf("na", "eu", "fe")},
	"RESTOCK_REDIRECT_URL": {
		"the URL of our callback page as registered with Amazon: https (http only on loopback), without user, query and fragment",
		redirectURL,
	},
	"RESTOCK_LWA_PUBLIC_CLIENTS": {"client IDs of companion apps, separated by commas, at most 32", listOf(clientID)},
	"RESTOCK_TEST_DEVICES":       {"true or false", oneOf("true", "false")},
	"RESTOCK_NON_LIVE":           {"true or false", oneOf("true", "false")},

	"RESTOCK_REFRESH_POLICY":    {"ahead or on-use", oneOf("ahead", "on-use")},
	"RESTOCK_REFRESH_QUEUE_URL": {"the URL of the SQS queue of shards to sweep", baseURL},
	"RESTOCK_RETRY_QUEUE_URL":   {"the URL of the SQS queue of messages to try again", baseURL},
	"RESTOCK_SHARDS":            {"a whole number from 1 to 256", wholeNumber(1, 256)},
	"RESTOCK_EVENT_BUS":         {"the name or ARN of an EventBridge bus", text(1, 1600, "_./:-")},

	"RESTOCK_ALLOWED_ORIGINS": {
		"origins as browsers send them, such as https://shop.example.com, separated by commas, at most 32: http only on loopback, " +
			"and no wildcard, path or default port, nor letters but a-z (xn-- stands for others)", listOf(origin),
	},
	"RESTOCK_LWA_AUTHORIZE_URL": {"the full URL of an authorize page, http or https, without query and fragment", baseURL},
	"RESTOCK_LWA_API_URL":       {"the base URL of LWA's API, http or https, without query and fragment", baseURL},
	"RESTOCK_DRS_URL":           {"the base URL of DRS's API, http or https, without query and fragment", baseURL},

	"RESTOCK_HTTP":             {"the address of the pages and the API, as host:port", address},
	"RESTOCK_MQTT":             {"the address of the broker, as host:port", address},
	"RESTOCK_MQTT_TRUST_LOCAL": {"true or false", oneOf("true", "false")},
	"RESTOCK_SANDBOX":          {"the address of the sandbox, as host:port", address},
	"RESTOCK_DATA":             {"the path of the data file", func(string) bool { return true }},
}

var (
	secretID = text(1, 2048, "/_+=.@:-")
	clientID = text(1, 256, "._-")
)

// text takes at least shortest, at most longest bytes: letters, digits and the others.
func text(shortest, longest int, others string) func(string) bool {
	return func(s string) bool {
		return shortest <= len(s) && len(s) <= longest && !strings.ContainsFunc(s, func(r rune) bool {
			alphanumeric := 'A' <= r && r <= 'Z' || 'a' <= r && r <= 'z' || '0' <= r && r <= '9'
			return !alphanumeric && !strings.ContainsRune(others, r)
		})
	}
}

func visible(longest int) func(string) bool {
	return func(s string) bool {
		return len(s) <= longest && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
	}
}

func oneOf(values ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(values, s) }
}

func wholeNumber(from, to int) func(string) bool {
	return func(s string) bool {
		n, err := strconv.Atoi(s)
		return err == nil && from <= n && n <= to && strconv.Itoa(n) == s
	}
}

func listOf(ok func(string) bool) func(string) bool {
	return func(s string) bool {
		parts := split(s)
		return len(parts) <= maxParts && !slices.ContainsFunc(parts, func(p string) bool { return !ok(p) })
	}
}

func redirectURL(s string) bool {
	_, err := pairing.ParseRedirectURL(s)
	return err == nil
}

// baseURL takes http as well: such a server may stand in the same network as a
// container, under a name that is not loopback.
func baseURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" &&
		u.User == nil && u.RawQuery == "" && !u.ForceQuery && !strings.Contains(s, "#")
}

// origin is what a browser sends as Origin, in the same spelling: another would never fit,
// and the page would be refused without a word why.
func origin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http" && pairing.IsLoopback(u.Hostname())) &&
		s == u.Scheme+"://"+u.Host && hostName(u.Hostname()) && portOf(u)
}

// dnsName is a name as browsers take it: with the underscores that no host should have.
var dnsName = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$`)

func hostName(s string) bool {
	addr, err := netip.ParseAddr(s)
	return dnsName.MatchString(s) || err == nil && addr.String() == s
}

// portOf reports whether u has a port that a browser names: none that goes without saying.
func portOf(u *url.URL) bool {
	silent := map[string]string{"https": "443", "http": "80"}[u.Scheme]
	return !strings.HasSuffix(u.Host, ":") && (u.Port() == "" || u.Port() != silent && wholeNumber(1, 65535)(u.Port()))
}

func address(s string) bool {
	_, port, err := net.SplitHostPort(s)
	return err == nil && wholeNumber(0, 65535)(port)
}
