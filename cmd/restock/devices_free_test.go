package main

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/restock-dev/restock/internal/mototest"
	"github.com/restock-dev/restock/internal/ownership"
	"github.com/restock-dev/restock/internal/sandbox"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/dynamo"
	"github.com/restock-dev/restock/pkg/drs"
	"github.com/restock-dev/restock/pkg/drs/drstest"
)

func TestDevicesFree(t *testing.T) {
	u := startUp(t, filepath.Join(t.TempDir(), "restock.db"))
	const thing = "ACME-VAC-1::SN0001"
	data := []string{"--data", u.data}
	free := func() (o ownership.Outcome) {
		t.Helper()
		r := restock(t, nil, append([]string{"devices", "free", thing, "--yes", "--json"}, data...)...)
		if err := json.Unmarshal([]byte(r.out), &o); err != nil || r.code != 0 {
			t.Fatalf("devices free: %+v", r)
		}
		return o
	}
	if o := free(); o.Freed || o.Was != store.NotRegistered {
		t.Errorf("freeing what nobody has: %+v", o)
	}
	api := newAPI(u.Addresses.HTTP)
	started, err := api.startPairing(t.Context(), "ACME-VAC-1", "SN0001", "")
	if err != nil {
		t.Fatal(err)
	}
	b := newBrowser()
	p, err := b.open(t.Context(), started.URL)
	if err == nil {
		p, err = b.follow(t.Context(), p, "login")
	}
	if err == nil {
		p, err = b.submit(t.Context(), p, "decision", "allow")
	}
	if err != nil || p.status != 200 {
		t.Fatalf("pairing: %v, %+v", err, p)
	}
	if _, err := api.registration(t.Context(), started.DeviceKey); err != nil {
		t.Fatal(err)
	}
	restock(t, nil, append([]string{"devices", "free", thing}, data...)...).sentence(t, exitUsage, "--yes")
	away := sandbox.Faults{DRS: []drstest.Fault{{Route: drstest.RouteDeregister, Kind: drstest.Unavailable}}}
	if err := (&control{newAPI(u.Addresses.Sandbox)}).fault(t.Context(), away); err != nil {
		t.Fatal(err)
	}
	restock(t, nil, append([]string{"devices", "free", thing, "-y"}, data...)...).sentence(t, exitFailed, "--anyway")
	if r, err := api.registration(t.Context(), started.DeviceKey); err != nil || r.Status != string(store.Active) {
		t.Fatalf("the registration after Amazon could not be told: %+v, %v", r, err)
	}
	token := strings.TrimSpace(restock(t, nil, append([]string{"token", "--thing", thing}, data...)...).out)
	if o := free(); !o.Freed || o.Was != store.Active || !o.HadKey || !o.Grant || o.Amazon != ownership.Deregistered {
		t.Errorf("freeing: %+v", o)
	}
	amazon := &drs.Client{BaseURL: u.Addresses.Sandbox}
	if _, err := amazon.Subscriptions(t.Context(), token); !errors.Is(err, drs.ErrInvalidToken) {
		t.Errorf("the token of a freed device at Amazon: %v", err)
	}
	var refused *problem
	if _, err := api.registration(t.Context(), started.DeviceKey); !errors.As(err, &refused) || refused.Code != "unauthorized" {
		t.Errorf("the key of a freed device: %v", err)
	}
	if r := restock(t, nil, append([]string{"devices", "show", thing}, data...)...); !strings.Contains(r.out, "freed by its maker") {
		t.Errorf("devices show: %+v", r)
	}
	text := restock(t, nil, append([]string{"devices", "free", thing, "-y"}, data...)...)
	if text.code != 0 || !strings.Contains(text.out, "was free before") {
		t.Errorf("freeing again: %+v", text)
	}
	u.pair(t, "ACME-VAC-1", "SN0001")
	restock(t, nil, append([]string{"devices", "free", "vacuum", "-y"}, data...)...).sentence(t, exitUsage, "::")
}

// answering is a server that answers with a status that tests change, and keeps what it got.
type answering struct {
	*httptest.Server
	mu     sync.Mutex // commands are other processes: what they ask for comes at any time
	status int
	got    []string
}

func answer(t *testing.T, header http.Header) *answering {
	t.Helper()
	a := &answering{status: http.StatusOK}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what is missing of it is missed by the test
		a.mu.Lock()
		defer a.mu.Unlock()
		a.got = append(a.got, r.Method+" "+r.URL.Path+" "+r.Header.Get("Authorization")+" "+string(body))
		maps.Copy(w.Header(), header)
		w.WriteHeader(a.status)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *answering) say(status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.status = status
}

// heard returns what came since it was asked last.
func (a *answering) heard() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	got := a.got
	a.got = nil
	return got
}

func TestDevicesFreeStack(t *testing.T) {
	environ := mototest.Environ(t)
	stack := mototest.Deploy(t, environ)
	table, keysSecret := mustFind(t, stack.Resource, "DeviceTable"), mustFind(t, stack.Resource, "KeysSecret")
	s := &dynamo.Store{Client: dynamodb.NewFromConfig(stack.AWS()), Table: table}
	amazon := answer(t, http.Header{"X-Amzn-Type-Version": {"com.amazon.dash.replenishment.DrsDeregisterResult@1.0"}})
	broker := answer(t, nil)
	environ = append(withFunctions(t, environ, map[string]string{
		"RESTOCK_TABLE": table, "RESTOCK_LWA_SECRET": "lwa", "RESTOCK_KEYS_SECRET": keysSecret, "RESTOCK_DRS_URL": amazon.URL,
	}), "AWS_ENDPOINT_URL_IOT_DATA_PLANE="+broker.URL)
	free := func(thing string, flags ...string) ran {
		t.Helper()
		return restock(t, environ, onStack(append([]string{"devices", "free", thing, "--yes"}, flags...)...)...)
	}
	token := storeDevice(t, stack, keysSecret, table)
	const device = "ACME-VAC-1::SN0001"

	// Where Amazon can't be told, nothing changes.
	amazon.say(http.StatusServiceUnavailable)
	free(device).sentence(t, exitFailed, "--anyway")
	left := &store.Registration{Thing: device}
	if err := s.Get(t.Context(), left); err != nil || left.Status != store.Active || left.AccessToken == "" || len(broker.heard()) != 0 {
		t.Fatalf("the registration is %+v, %v", left, err)
	}
	sealed, expiry := left.AccessToken, left.Expiry
	amazon.heard()
	amazon.say(http.StatusOK)
	r := free(device)
	if told := broker.heard(); len(told) != 1 || !strings.HasPrefix(told[0], "POST /topics/dash/v1/down/"+device+"/registration ") || !strings.Contains(told[0], `"status":"deregistered"`) {
		t.Errorf("the device was told %q", told)
	}
	if told := amazon.heard(); len(told) != 1 || !strings.HasPrefix(told[0], "DELETE /registration Bearer "+token+" ") {
		t.Errorf("Amazon was told %q", told)
	}
	if r.err != "" || r.code != 0 || !strings.Contains(r.out, "is free; it was active") || !strings.Contains(r.out, "Amazon has taken it off") {
		t.Errorf("devices free: %+v", r)
	}
	if err := s.Get(t.Context(), left); err != nil || left.Status != store.Deregistered || left.AccessToken != "" {
		t.Errorf("the registration is %+v, %v", left, err)
	}
	if r := free("ACME-VAC-1::SN0002"); r.code != 0 || !strings.Contains(r.out, "never been paired") {
		t.Errorf("devices free of none: %+v", r)
	}
	if told := append(broker.heard(), amazon.heard()...); len(told) != 0 {
		t.Errorf("of a device that was free before it was told %q", told)
	}

	// That neither Amazon nor the device can be told is no reason to keep it.
	left.Status, left.KeyHash, left.AccessToken, left.Expiry = store.Active, "hash", sealed, expiry
	if err := s.Put(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	amazon.say(http.StatusServiceUnavailable)
	broker.say(http.StatusForbidden)
	r = free(device, "--anyway")
	if r.code != 0 || !strings.Contains(r.out, "is free; it was active") || !strings.Contains(r.out, "Amazon was not told") || strings.Count(r.err, "warning") != 2 || len(broker.heard()) != 1 {
		t.Errorf("devices free without Amazon and broker: %+v", r)
	}
	if err := s.Get(t.Context(), left); err != nil || left.Status != store.Deregistered || left.KeyHash != "" {
		t.Errorf("the registration is %+v, %v", left, err)
	}
}
