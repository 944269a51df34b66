//go:build sam

package e2e_test

import (
	"flag"
	"net"
	"os"
	"strconv"
	"testing"

	samstack "github.com/restock-dev/restock/samtest/stack"
)

var python = flag.String("python", "python3", "Python with SAM's translator")

// The whole story of a device on what SAM builds and serves: its pairing in a browser, by
// the page and by the link it shows itself, and its order.
func TestSAM(t *testing.T) {
	chrome := chromium(t)
	host, err := samstack.Start(t.Context(), samstack.Options{
		Root: "..", Name: "restock-e2e", Python: *python, Log: os.Stderr,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := host.Close(); err != nil {
			t.Error(err)
		}
	})
	port := freePort(t)
	pages := "http://localhost:" + strconv.Itoa(port)
	deployed, err := host.Deploy(t.Context(), "story", map[string]string{
		"LwaClientId": "amzn1.application-oa2-client.story", "LwaClientSecret": "amzn1.oa2-cs.v1.story", "RedirectUrl": pages + "/callback",
	})
	if err != nil {
		t.Fatal(err)
	}
	api, err := deployed.StartAPI(t.Context(), port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		api.Stop()
		if t.Failed() {
			t.Log(api.Log())
		}
	})
	s := &stack{Pages: pages}

	t.Run("page", func(t *testing.T) {
		b := open(t, chrome, 360, 740)
		b.name = "sam"
		b.visit(pages + "/")
		b.fill("#device_model", "ACME-VAC-1")
		b.fill("#serial", "SN0001")
		b.click(`button[type="submit"]`)
		b.sees("ACME-VAC-1", "SN0001")
		b.click("a.amazon")
		b.press("Deny")
		b.sees("again")
		b.click("a.amazon")
		b.press("Allow")
		b.sees("connected", "SN0001", "filter")
		b.look("paired")
	})
	t.Run("device", func(t *testing.T) {
		device := s.pair(t, "ACME-VAC-1", "SN0002")
		b := open(t, chrome, 360, 740)
		b.visit(device.URL)
		b.sees("ACME-VAC-1", "SN0002")
		b.click("a.amazon")
		b.press("Allow")
		b.sees("connected")
		b.hides(device.DeviceKey)
		if got := device.status(t); got != "paired" {
			t.Errorf("pairing status = %q, want paired", got)
		}
		result := device.replenish(t, "filter")
		state, err := deployed.Amazon.State(t.Context())
		if err != nil || len(state.Orders) != 1 {
			t.Fatalf("orders = %+v, %v, want one", state.Orders, err)
		}
		if result.Outcome != "ordered" || result.InstanceID != state.Orders[0].ID || state.Orders[0].Slot.ID != "filter" {
			t.Errorf("replenish = %+v, want the order %+v", result, state.Orders[0])
		}
	})
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
