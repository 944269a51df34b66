package eventtest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/restock-dev/restock/internal/gateway"
)

// AWS stands for all services of AWS that the functions call: an empty table, two
// secrets, and a broker and queues that take everything.
type AWS struct {
	server *httptest.Server

	mu    sync.Mutex
	calls []string
}

// NewAWS starts one.
func NewAWS(t *testing.T) *AWS {
	t.Helper()
	a := new(AWS)
	a.server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.server.Close)
	return a
}

// Environ is the environment of a function that finds AWS here, as template.yaml makes it.
func (a *AWS) Environ() map[string]string {
	environ := map[string]string{
		"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": secrets["client secret"],
		"RESTOCK_TABLE": "devices", "RESTOCK_LWA_SECRET": "lwa", "RESTOCK_KEYS_SECRET": "keys", "RESTOCK_REDIRECT_URL": redirectURL,
		"RESTOCK_REFRESH_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/123456789012/refresh",
		"RESTOCK_RETRY_QUEUE_URL":   "https://sqs.us-east-1.amazonaws.com/123456789012/retry",
	}
	for _, service := range []string{"DYNAMODB", "SECRETS_MANAGER", "SQS", "IOT_DATA_PLANE", "EVENTBRIDGE"} {
		environ["AWS_ENDPOINT_URL_"+service] = a.server.URL
	}
	return environ
}

// Calls returns what was called so far, sorted: the action, and of a secret or a topic
// its name.
func (a *AWS) Calls() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Sorted(slices.Values(a.calls))
}

func (a *AWS) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	var in struct {
		SecretID string `json:"SecretId"`
		Entries  []struct{ ID string }
	}
	_ = json.Unmarshal(body, &in) // what is no JSON is a message to a device
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	answer := map[string]any{}
	switch action {
	case "GetSecretValue":
		action += " " + in.SecretID
		answer["SecretString"] = map[string]string{
			"lwa":  `{"client_id":"` + clientID + `","client_secret":"` + secrets["client secret"] + `"}`,
			"keys": keyRing,
		}[in.SecretID]
	case "":
		action = "Publish " + strings.TrimPrefix(r.URL.Path, "/topics/")
	}
	a.mu.Lock()
	a.calls = append(a.calls, action)
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_, _ = w.Write(mustJSON(answer)) // the client has gone
}

// Start makes a function of an environment and hands it one event. Before the event the
// function calls nobody: that would be paid by every cold start.
func Start(t *testing.T, a *AWS, build func(environ map[string]string) (*gateway.Function, error), event string) []byte {
	t.Helper()
	f, err := build(a.Environ())
	if err != nil {
		t.Fatal(err)
	}
	if calls := a.Calls(); len(calls) > 0 {
		t.Errorf("before its first event the function calls %s", calls)
	}
	payload, err := os.ReadFile(filepath.Join(Dir, event+".json"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := f.Invoke(t.Context(), payload)
	if err != nil {
		t.Errorf("Invoke(%s) = %v", event, err)
	}
	return answer
}

// Required checks that a function does not start without these variables, and says
// which one it misses.
func Required(t *testing.T, build func(environ map[string]string) (*gateway.Function, error), variables ...string) {
	t.Helper()
	for _, name := range variables {
		environ := NewAWS(t).Environ()
		delete(environ, name)
		if _, err := build(environ); err == nil || !strings.HasPrefix(err.Error(), name+" is not set; ") {
			t.Errorf("without %s the function starts with %v, want a sentence that names it", name, err)
		}
	}
}
