// Package doctor finds what is wrong with a set-up before a customer does: it looks at
// settings, secrets and services one after the other, and says for each what it found, the
// setting at fault and what to change. It also explains errors that were pasted from a log.
//
// It changes nothing, and no finding holds a secret.
package doctor

import (
	"fmt"
)

// Level says how bad a finding is.
type Level string

// The levels. Warn is what works now, or can't be told from here.
const (
	OK   Level = "ok"
	Warn Level = "warn"
	Fail Level = "fail"
)

// Finding is what one check found.
type Finding struct {
	Level Level `json:"level"`
	// Check is what was looked at, such as "client secret".
	Check string `json:"check"`
	// Found is a sentence.
	Found string `json:"found"`
	// Setting is what would change it: a variable, parameter, secret or file; "" where all
	// is well.
	Setting string `json:"setting,omitempty"`
	// Fix is what to do; "" where all is well.
	Fix string `json:"fix,omitempty"`
}

// Findings are those of several checks, in order.
type Findings []Finding

// OK adds what is as it should be.
func (f *Findings) OK(check, found string, args ...any) {
	*f = append(*f, Finding{Level: OK, Check: check, Found: fmt.Sprintf(found, args...)})
}

// Warn adds what may be wrong.
func (f *Findings) Warn(check, setting, fix, found string, args ...any) {
	*f = append(*f, Finding{Warn, check, fmt.Sprintf(found, args...), setting, fix})
}

// Fail adds what is wrong.
func (f *Findings) Fail(check, setting, fix, found string, args ...any) {
	*f = append(*f, Finding{Fail, check, fmt.Sprintf(found, args...), setting, fix})
}

// Count returns how many findings are of a level.
func (f Findings) Count(l Level) (n int) {
	for _, one := range f {
		if one.Level == l {
			n++
		}
	}
	return n
}

// Names are what the settings are called where they are set.
type Names struct {
	ClientID, ClientSecret, RedirectURL, Region, LWAURL, AuthorizeURL, DRSURL, PublicClients string
}

// Variables are the names for a process with an environment and flags.
func Variables() Names {
	return Names{ //nolint:gosec // G101: names of settings
		ClientID:     "RESTOCK_LWA_CLIENT_ID (--client-id)",
		ClientSecret: "RESTOCK_LWA_CLIENT_SECRET",
		RedirectURL:  "RESTOCK_REDIRECT_URL (--redirect-url)",
		Region:       "RESTOCK_LWA_REGION (--region)",
		LWAURL:       "RESTOCK_LWA_API_URL (--lwa-url)",
		AuthorizeURL: "RESTOCK_LWA_AUTHORIZE_URL (--lwa-authorize-url)",
		DRSURL:       "RESTOCK_DRS_URL (--drs-url)",

		PublicClients: "RESTOCK_LWA_PUBLIC_CLIENTS",
	}
}
