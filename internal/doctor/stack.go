package doctor

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/restock-dev/restock/internal/cloud"
	"github.com/restock-dev/restock/internal/config"
	"github.com/restock-dev/restock/internal/credentials"
	"github.com/restock-dev/restock/internal/deployed"
	"github.com/restock-dev/restock/internal/seal"
)

// functions of the template. All have the same environment, and the first is asked for it.
var functions = []string{"CallbackFunction", "RefreshFunction", "ReplenishFunction", "NotifyFunction"}

// parameters are the names of the settings of a deployed stack.
func parameters(secret string) Names {
	return Names{
		ClientID: "client_id in the secret " + secret, ClientSecret: "client_secret in the secret " + secret,
		RedirectURL: "parameter RedirectUrl", Region: "parameter LwaRegion", LWAURL: "parameter LwaApiUrl", AuthorizeURL: "parameter LwaAuthorizeUrl", DRSURL: "parameter DrsUrl",
		PublicClients: "parameter PublicClients",
	}
}

// CheckStack checks a deployed stack: the settings of its functions, its secrets, table,
// queues and topic, and what Amazon says to its client. progress is told what is looked at.
func CheckStack(ctx context.Context, s *deployed.Stack, progress func(string)) (f Findings) {
	progress("looking at the functions")
	environ := f.environ(ctx, s)
	if environ == nil {
		return f
	}
	account, err := cloud.With(s.AWS(), environ, "RESTOCK_TABLE", "RESTOCK_LWA_SECRET", "RESTOCK_KEYS_SECRET", "RESTOCK_REDIRECT_URL")
	if err != nil {
		f.Faults(err, nil, "Deploy template.yaml again with the parameter that it comes from.")
		return f
	}
	f.OK("settings", "The variables of the functions are well formed.")
	cfg := account.Config
	progress("looking at secrets, table and queues")
	creds, known := f.credentials(ctx, account)
	f.ring(ctx, account)
	f = append(f, CheckTable(ctx, s.AWS(), cfg.Table, "RESTOCK_TABLE")...)
	f.queues(ctx, s)
	progress("asking Amazon")
	names := parameters(cfg.LWASecret)
	if known {
		l := LWA{Region: cfg.Region, Public: cfg.PublicClients, Names: names}
		l.Client.ClientID, l.Client.ClientSecret = creds.ClientID, creds.ClientSecret
		l.Client.Endpoint, l.Client.RedirectURL = cfg.Endpoint(cfg.Region), cfg.RedirectURL
		f = append(f, CheckLWA(ctx, l)...)
	}
	f = append(f, CheckCallback(ctx, cfg.RedirectURL, names, nil)...)
	f = append(f, CheckDRS(ctx, cfg.DRSURL, cfg.Region, names, nil)...)
	if cfg.TestDevices || cfg.NonLive {
		f.Warn("test settings", "parameters TestDevices, NonLive", "Switch them off before customers come.", "Devices are paired as test devices or for models that are not live, whose orders are not real.")
	}
	return f
}

// environ returns the variables of the functions, nil where a function is not as it should be.
func (f *Findings) environ(ctx context.Context, s *deployed.Stack) map[string]string {
	var first map[string]string
	for _, name := range functions {
		environ, err := s.Environ(ctx, name)
		if err != nil {
			f.Fail("function "+name, name, "Deploy template.yaml again.", "It can't be looked at: %s.", strings.TrimSuffix(said(err), "."))
			return nil
		}
		if first == nil {
			first = environ
		}
		for _, variable := range different(first, environ) {
			f.Fail("function "+name, variable+" of "+name, "Deploy template.yaml again, and change nothing in the console.", "Its variable %s is not that of %s, though all functions have the same.", variable, functions[0])
		}
	}
	return first
}

// different returns the names of the variables of Restock that are not the same in both, in order.
func different(a, b map[string]string) (names []string) {
	for _, all := range []map[string]string{a, b} {
		for name := range all {
			if a[name] != b[name] && strings.HasPrefix(name, "RESTOCK_") && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// Faults adds the faults of a configuration. names are what variables are called where they
// are set, if that is not by their name.
func (f *Findings) Faults(err error, names map[string]string, fix string) {
	faults := []error{err}
	if all, ok := err.(interface{ Unwrap() []error }); ok {
		faults = all.Unwrap()
	}
	for _, one := range faults {
		setting := ""
		var fault *config.Fault
		if errors.As(one, &fault) {
			setting = cmp.Or(names[fault.Variable], fault.Variable)
		}
		f.Fail("settings", setting, fix, "%s.", one)
	}
}

func (f *Findings) credentials(ctx context.Context, a *cloud.AWS) (credentials.LWA, bool) {
	const check = "secret of the LWA credentials"
	text, err := a.Secrets().Fetch(ctx, a.Config.LWASecret, "")
	if err != nil {
		f.Fail(check, a.Config.LWASecret, "Deploy template.yaml again, or look at the permissions.", "It can't be read: %s.", said(err))
		return credentials.LWA{}, false
	}
	creds, err := credentials.Parse(text)
	if err != nil {
		f.Fail(check, a.Config.LWASecret, "Put {\"client_id\":\"…\",\"client_secret\":\"…\"} of the security profile into it, as the stack's output FillInCredentials says.", "%s.", err)
		return creds, false
	}
	f.OK(check, "It can be read, and is well formed.")
	return creds, true
}

// ring checks the key ring on a few of the things that are next due.
func (f *Findings) ring(ctx context.Context, a *cloud.AWS) {
	const check = "secret of the key ring"
	text, err := a.Secrets().Fetch(ctx, a.Config.KeysSecret, "")
	if err != nil {
		f.Fail(check, a.Config.KeysSecret, "Deploy template.yaml again, or look at the permissions.", "It can't be read: %s.", said(err))
		return
	}
	ring, err := seal.Parse(text)
	if err != nil {
		f.Fail(check, a.Config.KeysSecret, "Restore the version of the secret that worked: what it sealed opens with nothing else.", "%s.", err)
		return
	}
	records := a.Store()
	things, err := records.Due(ctx, "0", time.Now().AddDate(1, 0, 0), sampled)
	if err != nil { // the table's own check says why
		things = nil
	}
	*f = append(*f, CheckRing(ctx, ring, a.Config.KeysSecret, records, things)...)
}

// sampled is how many devices the key ring is tried on.
const sampled = 10

func (f *Findings) queues(ctx context.Context, s *deployed.Stack) {
	for _, name := range []string{"RefreshQueue", "RetryQueue"} {
		if url, ok := f.resource(s, name); ok {
			*f = append(*f, CheckQueue(ctx, s.AWS(), name, url)...)
		}
	}
	for _, name := range []string{"RefreshDlq", "RetryDlq", "NotifyDlq"} {
		if url, ok := f.resource(s, name); ok {
			*f = append(*f, CheckDeadLetters(ctx, s.AWS(), name, url)...)
		}
	}
	if arn, ok := f.resource(s, "NotificationTopic"); ok {
		*f = append(*f, CheckTopic(ctx, s.AWS(), arn)...)
	}
	if arn, err := s.Resource("AlarmTopic"); err == nil { // there is none where AlarmTopicArn names another's
		*f = append(*f, CheckAlarms(ctx, s.AWS(), arn)...)
	}
}

func (f *Findings) resource(s *deployed.Stack, name string) (string, bool) {
	id, err := s.Resource(name)
	if err != nil {
		f.Fail(name, name, "Deploy template.yaml again.", "%s.", err)
	}
	return id, err == nil
}
