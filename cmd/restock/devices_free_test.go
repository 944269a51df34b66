package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/restock-dev/restock/internal/mototest"
	"github.com/restock-dev/restock/internal/ownership"
	"github.com/restock-dev/restock/internal/seal"
	"github.com/restock-dev/restock/internal/store"
	"github.com/restock-dev/restock/internal/store/dynamo"
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
	if o := free(); !o.Freed || o.Was != store.Active || !o.HadKey || !o.Grant {
		t.Errorf("freeing: %+v", o)
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

func TestDevicesFreeStack(t *testing.T) {
	environ := mototest.Environ(t)
	stack := mototest.Deploy(t, environ)
	s := &dynamo.Store{Client: dynamodb.NewFromConfig(stack.AWS()), Table: mustFind(t, stack.Resource, "DeviceTable")}
	ring, err := seal.LoadFile(filepath.Join(t.TempDir(), "keys"))
	if err != nil {
		t.Fatal(err)
	}
	keepSealed(t, s, ring)
	var mu sync.Mutex // the command is another process: what it asks for happens at any time
	var told []string
	answer := http.StatusOK
	broker := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // what is missing of it is missed below
		mu.Lock()
		defer mu.Unlock()
		told = append(told, r.URL.Path+" "+string(body))
		w.WriteHeader(answer)
	}))
	defer broker.Close()
	heard := func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(told)
	}
	environ = append(environ, "AWS_ENDPOINT_URL_IOT_DATA_PLANE="+broker.URL)
	r := restock(t, environ, onStack("devices", "free", "ACME-VAC-1::SN0001", "--yes")...)
	if told := heard(); len(told) != 1 || !strings.HasPrefix(told[0], "/topics/dash/v1/down/ACME-VAC-1::SN0001/registration ") || !strings.Contains(told[0], `"status":"deregistered"`) {
		t.Errorf("the device was told %q", told)
	}
	if r.err != "" || r.code != 0 || !strings.Contains(r.out, "is free; it was active") || !strings.Contains(r.out, "Amazon was not told") {
		t.Errorf("devices free: %+v", r)
	}
	left := &store.Registration{Thing: "ACME-VAC-1::SN0001"}
	if err := s.Get(t.Context(), left); err != nil || left.Status != store.Deregistered || left.RefreshToken != "" || left.KeyHash != "" {
		t.Errorf("the registration is %+v, %v", left, err)
	}
	if r := restock(t, environ, onStack("devices", "free", "ACME-VAC-1::SN0002", "--yes")...); r.code != 0 || !strings.Contains(r.out, "never been paired") {
		t.Errorf("devices free of none: %+v", r)
	}
	if told := heard(); len(told) != 1 {
		t.Errorf("a device that was free before was told %q", told[1:])
	}

	// That the device can't be told is no reason to keep it.
	left.Status = store.Active
	if err := s.Put(t.Context(), left); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	answer = http.StatusForbidden
	mu.Unlock()
	r = restock(t, environ, onStack("devices", "free", "ACME-VAC-1::SN0001", "--yes")...)
	if r.code != 0 || !strings.Contains(r.out, "is free; it was active") || !strings.Contains(r.err, "warning") || len(heard()) != 2 {
		t.Errorf("devices free without a broker: %+v, %q", r, heard())
	}
}
