package sandbox_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/lwa"
	"github.com/restock-dev/restock/pkg/lwa/lwatest"
)

const vac = "ACME-VAC-1::SN0001"

// memory keeps records, as a data file would.
type memory struct {
	mu     sync.Mutex
	spaces map[string]map[string]sandbox.Record
	fail   error
}

func (m *memory) Load(space string) ([]sandbox.Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.spaces[space])), m.fail
}

func (m *memory) Save(space string, records []sandbox.Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fail != nil {
		return m.fail
	}
	if m.spaces == nil {
		m.spaces = map[string]map[string]sandbox.Record{}
	}
	if m.spaces[space] == nil {
		m.spaces[space] = map[string]sandbox.Record{}
	}
	for _, r := range records {
		if m.spaces[space][r.Key] = r; r.Value == nil {
			delete(m.spaces[space], r.Key)
		}
	}
	return nil
}

// world is a sandbox behind a server, with one client.
type world struct {
	*sandbox.Sandbox
	url   string
	lwa   *lwa.Client
	drs   *drs.Client
	notes chan string // types of the notifications
	moved chan struct{}
}

func open(t *testing.T, keep sandbox.Keep) *world {
	t.Helper()
	w := &world{notes: make(chan string, 50), moved: make(chan struct{}, 50)}
	client := lwatest.DefaultClient()
	client.Secret = lwa.NewSecret("sandbox-test-secret")
	box, err := sandbox.New(sandbox.Options{
		Client: client, Keep: keep,
		Moved: func() { w.moved <- struct{}{} },
		Notify: func(body []byte, _ map[string]string) {
			var n struct {
				Info struct {
					Type string `json:"notificationType"`
				} `json:"notificationInfo"`
			}
			if err := json.Unmarshal(body, &n); err != nil {
				t.Errorf("notification %s: %v", body, err)
			}
			w.notes <- n.Info.Type
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(box.Handler("sandbox.example"))
	t.Cleanup(srv.Close)
	w.Sandbox, w.url = box, srv.URL
	w.lwa = &lwa.Client{
		ClientID: client.ID, ClientSecret: client.Secret, RedirectURL: client.RedirectURLs[0], Now: box.Clock().Now,
		Endpoint: lwa.Endpoint{AuthorizeURL: srv.URL + "/ap/oa", APIURL: srv.URL},
	}
	w.drs = &drs.Client{BaseURL: srv.URL}
	return w
}

// pair has the customer agree and exchanges the code.
func (w *world) pair(t *testing.T) *lwa.Token {
	t.Helper()
	return w.pairAs(t, "")
}

func (w *world) pairAs(t *testing.T, customer string) *lwa.Token {
	t.Helper()
	page, err := w.lwa.AuthCodeURL(lwa.AuthRequest{
		State: "s", Scopes: []string{"dash:replenish"},
		ScopeData: map[string]any{"dash:replenish": map[string]any{"device_model": "ACME-VAC-1", "serial": "SN0001"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	back, err := w.LWA.Visit(page, lwatest.Visitor{Customer: customer})
	if err != nil {
		t.Fatal(err)
	}
	token, err := w.lwa.Exchange(t.Context(), back.Query().Get("code"), lwa.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// call asks the control API and decodes what it answers, whatever the status.
func (w *world) call(t *testing.T, method, path, body string, answer any) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer != nil {
		if err := json.Unmarshal(text, answer); err != nil {
			t.Fatalf("%s %s answered %s: %v", method, path, text, err)
		}
	}
	return res.StatusCode
}

func (w *world) note(t *testing.T, want string) {
	t.Helper()
	select {
	case got := <-w.notes:
		if got != want {
			t.Errorf("notification %s, want %s", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("no notification %s", want)
	}
}
