package lwatest

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// The scopes with rules of their own.
const (
	scopeDash       = "dash:replenish"
	scopeAlexa      = "alexa:all"
	scopeProfile    = "profile"
	scopeUserID     = "profile:user_id"
	scopePostalCode = "postal_code"
)

// scopes are those that customers can be asked for, and what they are asked.
//
// Source: developer.amazon.com/docs/login-with-amazon/customer-profile.html,
// dash/lwa-web-api.html, alexa-voice-service, and advertising.amazon.com.
var scopes = map[string]string{
	scopeDash:                             "Order refills for this device on your behalf",
	scopeProfile:                          "See your name and email address",
	scopeUserID:                           "Recognise you when you come back",
	scopePostalCode:                       "See your postal code",
	scopeAlexa:                            "Use Alexa on this device",
	"alexa::skills:account_linking":       "Link your account with Alexa skills",
	"alexa::ask:skills:readwrite":         "Manage your Alexa skills",
	"alexa::ask:models:readwrite":         "Manage the models of your Alexa skills",
	"advertising::campaign_management":    "Manage your advertising campaigns",
	"cpc_advertising:campaign_management": "Manage your advertising campaigns",
	"advertising::audiences":              "Manage your advertising audiences",
	"advertising::test:create_account":    "Make advertising accounts for tests",
}

// readScopes splits and checks what was asked for; false: there is an unknown one.
func readScopes(text string, allowed []string) ([]string, bool) {
	var asked []string
	for _, s := range strings.Fields(text) {
		if _, known := scopes[s]; !known || allowed != nil && !slices.Contains(allowed, s) {
			return nil, false
		}
		if !slices.Contains(asked, s) {
			asked = append(asked, s)
		}
	}
	return asked, len(asked) > 0
}

// scopeData is what scope_data says.
type scopeData struct {
	raw           json.RawMessage // nil: there was none
	model, serial string
	test, nonLive bool
	voluntary     []string // scopes that the customer may leave out
}

var deviceCharacters = regexp.MustCompile(`^[A-Za-z0-9_+-]+$`)

// isDeviceName reports whether Amazon allows s as a device model or a serial.
//
// Source: developer.amazon.com/docs/dash/lwa-web-api.html
func isDeviceName(s string) bool { return len(s) <= 64 && deviceCharacters.MatchString(s) }

// readScopeData checks the JSON beside the scopes; the refusal is nil when all is well.
func readScopeData(asked []string, text string) (scopeData, *refusal) {
	var d scopeData
	bad := invalidParam("scope_data")
	members := map[string]json.RawMessage{}
	if text != "" {
		d.raw = json.RawMessage(text)
		if json.Unmarshal(d.raw, &members) != nil || members == nil {
			return d, &bad
		}
	}
	for _, scope := range asked {
		member, ok := members[scope]
		switch {
		case scope == scopeDash || scope == scopeAlexa:
			if !ok {
				return d, &unknownScope // so says Amazon
			}
			if !d.readDevice(scope, member) {
				return d, &bad
			}
		case ok:
			if !d.readEssential(scope, member) {
				return d, &bad
			}
		}
	}
	return d, nil
}

func (d *scopeData) readDevice(scope string, member json.RawMessage) bool {
	var v struct {
		Model     string `json:"device_model"`
		Serial    string `json:"serial"`
		Test      flag   `json:"is_test_device"`
		NonLive   flag   `json:"should_include_non_live"`
		Product   string `json:"productID"`
		Instances struct {
			Serial string `json:"deviceSerialNumber"`
		} `json:"productInstanceAttributes"`
	}
	if json.Unmarshal(member, &v) != nil {
		return false
	}
	if scope == scopeAlexa {
		v.Model, v.Serial = v.Product, v.Instances.Serial
	}
	d.model, d.serial, d.test, d.nonLive = v.Model, v.Serial, bool(v.Test), bool(v.NonLive)
	return isDeviceName(d.model) && isDeviceName(d.serial)
}

// readEssential notes a scope that is declared voluntary. Only those about the profile
// can be.
func (d *scopeData) readEssential(scope string, member json.RawMessage) bool {
	v := struct {
		Essential *bool `json:"essential"`
	}{}
	if json.Unmarshal(member, &v) != nil {
		return false
	}
	if v.Essential != nil && !*v.Essential && slices.Contains([]string{scopeProfile, scopeUserID, scopePostalCode}, scope) {
		d.voluntary = append(d.voluntary, scope)
	}
	return true
}

// flag is a boolean that Amazon's sample applications write as text.
type flag bool

// UnmarshalJSON implements [json.Unmarshaler].
func (f *flag) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text != "true" && text != "false" {
		return json.Unmarshal(b, (*bool)(f)) // for its error
	}
	*f = text == "true"
	return nil
}
