package deployed_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/deployed"
)

const canary = "canary-secret-key"

// account stands for CloudFormation and Lambda of an AWS account with one stack.
type account struct {
	status   string
	fault    string // an error code, answered to every call of CloudFormation
	pages    bool   // the resources come in two pages
	function string // what Lambda answers
	refuse   string // an error code of Lambda

	mu    sync.Mutex
	auths []string
}

func (a *account) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	a.auths = append(a.auths, r.Header.Get("Authorization"))
	a.mu.Unlock()
	if strings.HasPrefix(r.URL.Path, "/2015-03-31/functions/") {
		w.Header().Set("Content-Type", "application/json")
		if a.refuse != "" {
			w.Header().Set("X-Amzn-Errortype", a.refuse)
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = io.WriteString(w, a.function)
		return
	}
	body, _ := io.ReadAll(r.Body)
	in, _ := url.ParseQuery(string(body))
	w.Header().Set("Content-Type", "text/xml")
	fault := func(code, message string) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = fmt.Fprintf(w, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error></ErrorResponse>`, code, message)
	}
	switch {
	case a.fault != "":
		fault(a.fault, "no such luck")
	case in.Get("StackName") != "restock":
		fault("ValidationError", "Stack with id "+in.Get("StackName")+" does not exist")
	case in.Get("Action") == "DescribeStacks":
		_, _ = fmt.Fprintf(w, `<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>restock</StackName>
<CreationTime>2026-11-01T00:00:00Z</CreationTime><StackStatus>%s</StackStatus>
<Outputs><member><OutputKey>TableName</OutputKey><OutputValue>restock-DeviceTable-1</OutputValue></member></Outputs>
</member></Stacks></DescribeStacksResult></DescribeStacksResponse>`, a.status)
	default:
		token, first := "", in.Get("NextToken") == ""
		resources := resource("RetryDlq", "https://sqs/retry-dlq", "CREATE_COMPLETE") + resource("Gone", "gone", "DELETE_COMPLETE")
		if a.pages && first {
			token = "<NextToken>more</NextToken>"
		} else {
			resources = resource("ReplenishFunction", "restock-Replenish-1", "UPDATE_COMPLETE") +
				resource("NotifyFunction", "notify", "CREATE_COMPLETE") +
				resource("NotifyFunctionAliaslive", "arn:aws:lambda:eu-west-1:1:function:notify:live", "CREATE_COMPLETE")
		}
		if !a.pages {
			resources += resource("RetryDlq", "https://sqs/retry-dlq", "CREATE_COMPLETE") + resource("Gone", "gone", "DELETE_COMPLETE")
		}
		_, _ = fmt.Fprintf(w, `<ListStackResourcesResponse><ListStackResourcesResult>%s<StackResourceSummaries>%s</StackResourceSummaries></ListStackResourcesResult></ListStackResourcesResponse>`, token, resources)
	}
}

func resource(logical, physical, status string) string {
	return fmt.Sprintf(`<member><LogicalResourceId>%s</LogicalResourceId><PhysicalResourceId>%s</PhysicalResourceId><ResourceType>T</ResourceType>
<LastUpdatedTimestamp>2026-11-01T00:00:00Z</LastUpdatedTimestamp><ResourceStatus>%s</ResourceStatus></member>`, logical, physical, status)
}

// home makes an environment of AWS's variables with nothing of the machine in it.
func home(t *testing.T, environ map[string]string) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
			_ = os.Unsetenv(name) // Setenv puts it back
		}
	}
	dir := t.TempDir()
	t.Setenv("HOME", dir)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_MAX_ATTEMPTS", "1")
	for name, value := range environ {
		t.Setenv(name, value)
	}
}

func serve(t *testing.T, a *account) {
	t.Helper()
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	home(t, map[string]string{
		"AWS_ENDPOINT_URL": s.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": canary,
	})
}

func TestOpen(t *testing.T) {
	for _, status := range []string{
		"CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE",
		"UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS", "IMPORT_COMPLETE",
	} {
		for _, pages := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, in pages %v", status, pages), func(t *testing.T) {
				a := &account{status: status, pages: pages}
				serve(t, a)
				s, err := deployed.Open(t.Context(), deployed.Options{Stack: "restock", Region: "eu-central-1"})
				if err != nil {
					t.Fatal(err)
				}
				for logical, want := range map[string]string{"RetryDlq": "https://sqs/retry-dlq", "ReplenishFunction": "restock-Replenish-1"} {
					if got, err := s.Resource(logical); err != nil || got != want {
						t.Errorf("Resource(%s) = %q, %v, want %q", logical, got, err, want)
					}
				}
				if got, err := s.Output("TableName"); err != nil || got != "restock-DeviceTable-1" {
					t.Errorf("Output(TableName) = %q, %v", got, err)
				}
				for _, ask := range []func(string) (string, error){s.Output, s.Resource} {
					if got, err := ask("Gone"); err == nil || got != "" || !strings.Contains(err.Error(), "restock has no") || !strings.Contains(err.Error(), "Gone") {
						t.Errorf("of what is not there: %q, %v", got, err)
					}
				}
				if s.Name() != "restock" || s.AWS().Region != "eu-central-1" || !strings.Contains(a.auths[0], "/eu-central-1/") {
					t.Errorf("opened %s in %s, signed %s; want the region that was given", s.Name(), s.AWS().Region, a.auths[0])
				}
			})
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, tt := range []struct {
		name    string
		account *account
		options deployed.Options
		words   []string
	}{
		{"no name", &account{}, deployed.Options{}, []string{"name of a stack", "samconfig.toml"}},
		{"another stack", &account{}, deployed.Options{Stack: "other"}, []string{"no stack other in eu-west-1"}},
		{"wrong region", &account{}, deployed.Options{Stack: "other", Region: "us-east-1"}, []string{"no stack other in us-east-1"}},
		{"being made", &account{status: "CREATE_IN_PROGRESS"}, deployed.Options{Stack: "restock"}, []string{"being changed", "CREATE_IN_PROGRESS"}},
		{"being updated", &account{status: "UPDATE_IN_PROGRESS"}, deployed.Options{Stack: "restock"}, []string{"being changed"}},
		{"being deleted", &account{status: "DELETE_IN_PROGRESS"}, deployed.Options{Stack: "restock"}, []string{"being changed"}},
		{"under review", &account{status: "REVIEW_IN_PROGRESS"}, deployed.Options{Stack: "restock"}, []string{"never made", "sam deploy"}},
		{"not made", &account{status: "ROLLBACK_COMPLETE"}, deployed.Options{Stack: "restock"}, []string{"not whole", "ROLLBACK_COMPLETE"}},
		{"deleted", &account{status: "DELETE_COMPLETE"}, deployed.Options{Stack: "restock"}, []string{"not whole"}},
		{"stuck", &account{status: "UPDATE_ROLLBACK_FAILED"}, deployed.Options{Stack: "restock"}, []string{"not whole"}},
		{"not allowed", &account{fault: "AccessDenied"}, deployed.Options{Stack: "restock"}, []string{"does not allow CloudFormation DescribeStacks"}},
		{"expired", &account{fault: "ExpiredToken"}, deployed.Options{Stack: "restock"}, []string{"have expired"}},
		{"unknown key", &account{fault: "InvalidClientTokenId"}, deployed.Options{Stack: "restock"}, []string{"does not know these credentials"}},
		{"throttled", &account{fault: "Throttling"}, deployed.Options{Stack: "restock"}, []string{"too many calls"}},
		{"unknown profile", &account{}, deployed.Options{Stack: "restock", Profile: "nobody"}, []string{`no profile "nobody"`, "aws configure list-profiles"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			serve(t, tt.account)
			s, err := deployed.Open(t.Context(), tt.options)
			sentence(t, err, tt.words...)
			if s != nil && err == nil {
				t.Errorf("Open() = %v", s)
			}
		})
	}
}

func sentence(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("there is no error")
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not hold %q", err, w)
		}
	}
	if strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), canary) {
		t.Errorf("error %q is not one line, or tells a secret", err)
	}
}

func TestOpenWithout(t *testing.T) {
	t.Run("credentials", func(t *testing.T) {
		home(t, map[string]string{"AWS_REGION": "eu-west-1"})
		_, err := deployed.Open(t.Context(), deployed.Options{Stack: "restock"})
		sentence(t, err, "no AWS credentials", "aws sso login", "--profile")
	})
	t.Run("region", func(t *testing.T) {
		home(t, map[string]string{"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": canary})
		_, err := deployed.Open(t.Context(), deployed.Options{Stack: "restock"})
		sentence(t, err, "no AWS region", "--region")
	})
	t.Run("network", func(t *testing.T) {
		serve(t, &account{})
		t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
		_, err := deployed.Open(t.Context(), deployed.Options{Stack: "restock"})
		sentence(t, err, "can't be reached", "region")
	})
	t.Run("a sign-in that holds", func(t *testing.T) {
		home(t, nil)
		config := "[profile op]\nregion = us-west-2\nsso_session = s\nsso_account_id = 123456789012\nsso_role_name = r\n" +
			"[sso-session s]\nsso_region = us-west-2\nsso_start_url = https://example.com\n"
		if err := os.WriteFile(os.Getenv("AWS_CONFIG_FILE"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := deployed.Open(t.Context(), deployed.Options{Stack: "restock", Profile: "op"})
		sentence(t, err, "aws sso login")
	})
	t.Run("patience", func(t *testing.T) {
		serve(t, &account{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := deployed.Open(ctx, deployed.Options{Stack: "restock"}); !errors.Is(err, context.Canceled) {
			t.Errorf("Open() = %v, want context.Canceled", err)
		}
	})
}

// A profile of the AWS command line brings its region and its credentials.
func TestOpenProfile(t *testing.T) {
	a := &account{status: "CREATE_COMPLETE"}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	home(t, map[string]string{"AWS_ENDPOINT_URL": s.URL})
	config := "[profile op]\nregion = us-west-2\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = " + canary + "\n"
	if err := os.WriteFile(os.Getenv("AWS_CONFIG_FILE"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := deployed.Open(t.Context(), deployed.Options{Stack: "restock", Profile: "op"}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(a.auths[0], "AKIDPROFILE") || !strings.Contains(a.auths[0], "/us-west-2/") {
		t.Errorf("signed %s, want the profile's key and region", a.auths[0])
	}
}

// Functions of a template with aliases are called by these: only there asynchronous calls
// have their retries.
func TestFunction(t *testing.T) {
	serve(t, &account{status: "CREATE_COMPLETE"})
	s, err := deployed.Open(t.Context(), deployed.Options{Stack: "restock"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"ReplenishFunction": "restock-Replenish-1", "NotifyFunction": "arn:aws:lambda:eu-west-1:1:function:notify:live"} {
		if got, err := s.Function(name); err != nil || got != want {
			t.Errorf("Function(%s) = %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := s.Function("NoFunction"); err == nil {
		t.Error("Function() of none = nil")
	}
}

func TestEnviron(t *testing.T) {
	a := &account{status: "CREATE_COMPLETE", function: `{"Environment":{"Variables":{"RESTOCK_TABLE":"devices"}}}`}
	serve(t, a)
	s, err := deployed.Open(t.Context(), deployed.Options{Stack: "restock"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Environ(t.Context(), "ReplenishFunction")
	if diff := cmp.Diff(map[string]string{"RESTOCK_TABLE": "devices"}, got); err != nil || diff != "" {
		t.Errorf("Environ(), %v (-want +got):\n%s", err, diff)
	}
	a.function = `{}`
	if got, err := s.Environ(t.Context(), "ReplenishFunction"); err != nil || got == nil || len(got) != 0 {
		t.Errorf("Environ() of a function without = %v, %v", got, err)
	}
	a.function = `{"Environment":{"Error":{"ErrorCode":"AccessDeniedException","Message":"` + canary + `"}}}`
	_, err = s.Environ(t.Context(), "ReplenishFunction")
	sentence(t, err, "restock-Replenish-1", "AccessDeniedException")
	a.refuse, a.function = "AccessDeniedException", `{"Message":"not you"}`
	_, err = s.Environ(t.Context(), "ReplenishFunction")
	sentence(t, err, "does not allow Lambda GetFunctionConfiguration", "not you")
	_, err = s.Environ(t.Context(), "NoFunction")
	sentence(t, err, "no resource NoFunction")
}
