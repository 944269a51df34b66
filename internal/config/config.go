// Package config reads the configuration of the functions and of `restock up` from
// the environment, and says in one sentence for each fault what to change.
//
// Every variable is a field of [Config] and has one entry in the table of checks.
// Flags come before variables: a command puts their values into the map under the
// variable's name before it calls [Parse].
package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"

	"github.com/restock-dev/restock/internal/tokens"
	"github.com/restock-dev/restock/pkg/lwa"
)

// Config is the configuration, checked. The zero value of a field is a variable that
// is not set and has no default.
type Config struct {
	Table      string `env:"RESTOCK_TABLE"`
	LWASecret  string `env:"RESTOCK_LWA_SECRET"`  // Secrets Manager ID of the LWA credentials
	KeysSecret string `env:"RESTOCK_KEYS_SECRET"` // Secrets Manager ID of the key ring

	// Local runs have these instead of Secrets Manager.
	LWAClientID     string     `env:"RESTOCK_LWA_CLIENT_ID"`
	LWAClientSecret lwa.Secret `env:"RESTOCK_LWA_CLIENT_SECRET"`

	Region        lwa.Region `env:"RESTOCK_LWA_REGION" envDefault:"na"`
	RedirectURL   string     `env:"RESTOCK_REDIRECT_URL"`
	PublicClients List       `env:"RESTOCK_LWA_PUBLIC_CLIENTS"`
	TestDevices   bool       `env:"RESTOCK_TEST_DEVICES"`
	NonLive       bool       `env:"RESTOCK_NON_LIVE"`

	RefreshPolicy   tokens.Policy `env:"RESTOCK_REFRESH_POLICY" envDefault:"ahead"`
	RefreshQueueURL string        `env:"RESTOCK_REFRESH_QUEUE_URL"`
	RetryQueueURL   string        `env:"RESTOCK_RETRY_QUEUE_URL"`
	Shards          int           `env:"RESTOCK_SHARDS" envDefault:"16"` // of the due index
	EventBus        string        `env:"RESTOCK_EVENT_BUS"`

	AllowedOrigins List `env:"RESTOCK_ALLOWED_ORIGINS"`

	// Other servers in place of Amazon's; see [Config.Endpoint].
	LWAAuthorizeURL string `env:"RESTOCK_LWA_AUTHORIZE_URL"`
	LWAURL          string `env:"RESTOCK_LWA_API_URL"`
	DRSURL          string `env:"RESTOCK_DRS_URL"`

	// Of `restock up` alone.
	HTTP           string `env:"RESTOCK_HTTP"`
	MQTT           string `env:"RESTOCK_MQTT"`
	MQTTTrustLocal bool   `env:"RESTOCK_MQTT_TRUST_LOCAL" envDefault:"true"`
	Sandbox        string `env:"RESTOCK_SANDBOX"`
	Data           string `env:"RESTOCK_DATA"`
}

// List is a value of several parts, separated by commas; spaces around them are
// dropped.
type List []string

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *List) UnmarshalText(text []byte) error {
	*l = split(string(text))
	return nil
}

func split(s string) List {
	var parts List
	for part := range strings.SplitSeq(s, ",") {
		parts = append(parts, strings.TrimSpace(part))
	}
	return parts
}

// Fault is a variable that is missing or malformed. Its text is one sentence, which
// never repeats the value: that may be a secret.
type Fault struct {
	Variable string
	Missing  bool
	Want     string // what the variable should hold
}

// Error implements error.
func (f *Fault) Error() string {
	if f.Missing {
		return f.Variable + " is not set; it must hold " + f.Want
	}
	return f.Variable + " must hold " + f.Want
}

// Environ returns the environment of the process, for [Parse].
func Environ() map[string]string { return env.ToMap(os.Environ()) }

// Parse reads the configuration from environ. A variable that is empty counts as not
// set; the required ones must be.
//
// Errors: one [*Fault] for each variable at fault, joined.
func Parse(environ map[string]string, required ...string) (*Config, error) {
	var faults []error
	for _, name := range Variables() {
		if value := environ[name]; value != "" && !checks[name].accepts(value) {
			faults = append(faults, &Fault{Variable: name, Want: checks[name].want})
		}
	}
	for _, name := range required {
		if environ[name] == "" {
			faults = append(faults, &Fault{Variable: name, Missing: true, Want: checks[name].want})
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	c := new(Config)
	if err := env.ParseWithOptions(c, env.Options{Environment: environ}); err != nil {
		return nil, fmt.Errorf("reading configuration: %w", withoutValues(err))
	}
	return c, nil
}

// withoutValues keeps of an error of package env the names of the fields: its text
// repeats values. It takes a variable whose check lets through what its type can't hold.
func withoutValues(err error) error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return errors.New("a variable does not fit its field")
	}
	var fields []string
	for _, e := range all.Errors {
		var p env.ParseError
		if errors.As(e, &p) {
			fields = append(fields, p.Name)
		}
	}
	return fmt.Errorf("variables of %s do not fit", strings.Join(fields, ", "))
}

// Variables returns the names of all variables, in the order of [Config]'s fields.
func Variables() []string {
	var names []string
	for f := range reflect.TypeFor[Config]().Fields() {
		names = append(names, f.Tag.Get("env"))
	}
	return names
}

// Want says what a variable should hold, for help texts.
func Want(variable string) string { return checks[variable].want }

// Endpoint returns the hosts of LWA: Amazon's for the region, unless others are
// configured. An API base alone implies its authorize page, <base>/ap/oa.
func (c *Config) Endpoint(r lwa.Region) lwa.Endpoint {
	e := r.Endpoint()
	if c.LWAURL != "" {
		base := strings.TrimRight(c.LWAURL, "/")
		e = lwa.Endpoint{AuthorizeURL: base + "/ap/oa", APIURL: base}
	}
	if c.LWAAuthorizeURL != "" {
		e.AuthorizeURL = c.LWAAuthorizeURL
	}
	return e
}
