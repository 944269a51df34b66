package eventtest

import (
	"crypto/md5" //nolint:gosec // G501: SQS does so
	"encoding/hex"
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

// AWS stands for all services of AWS that the functions call: a table, two secrets, and a
// broker, queues and a bus that take everything.
type AWS struct {
	server *httptest.Server
	table  table

	mu    sync.Mutex
	calls []string
}

// NewAWS starts one.
func NewAWS(t *testing.T) *AWS {
	t.Helper()
	a := &AWS{table: table{items: map[string]item{}}}
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
	service, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	status, answer := http.StatusOK, []byte("{}")
	switch {
	case service == "DynamoDB_20120810":
		status, answer = a.table.answer(action, body)
	case action == "GetSecretValue":
		var in struct{ SecretID, VersionStage string }
		_ = json.Unmarshal(body, &in) // the SDK writes it
		action += " " + in.SecretID
		status, answer = secretValue(in.SecretID, in.VersionStage)
	case action == "SendMessage", action == "SendMessageBatch":
		answer = sent(body)
	case action == "":
		action = "Publish " + strings.TrimPrefix(r.URL.Path, "/topics/")
	}
	a.mu.Lock()
	a.calls = append(a.calls, action)
	a.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(status)
	_, _ = w.Write(answer) // the client has gone
}

// secretValue is what is in a secret, which is known by a part of its name.
func secretValue(id, stage string) (status int, answer []byte) {
	value := keyRing
	if strings.Contains(strings.ToLower(id), "lwa") {
		value = `{"client_id":"` + clientID + `","client_secret":"` + secrets["client secret"] + `"}`
	}
	if stage != "AWSCURRENT" {
		return http.StatusBadRequest, []byte(`{"__type":"ResourceNotFoundException"}`)
	}
	return http.StatusOK, mustJSON(map[string]string{"SecretString": value})
}

// sent answers for SQS, with the checksums that the SDK verifies.
func sent(body []byte) []byte {
	type entry struct {
		ID          string `json:"Id"`
		MessageBody string `json:"MessageBody,omitempty"`
		MessageID   string `json:"MessageId"`
		Sum         string `json:"MD5OfMessageBody"`
	}
	var in struct {
		MessageBody string
		Entries     []entry
	}
	_ = json.Unmarshal(body, &in) // the SDK writes it
	sum := func(text string) string {
		sum := md5.Sum([]byte(text)) //nolint:gosec // G401: SQS does so
		return hex.EncodeToString(sum[:])
	}
	for i, e := range in.Entries {
		in.Entries[i] = entry{ID: e.ID, MessageID: e.ID, Sum: sum(e.MessageBody)}
	}
	return mustJSON(map[string]any{
		"MessageId": "m", "MD5OfMessageBody": sum(in.MessageBody), "Successful": in.Entries, "Failed": []entry{},
	})
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
