package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/restock-dev/restock/internal/mototest"
)

func TestDevicesShowStack(t *testing.T) {
	environ := mototest.Environ(t)
	stack := mototest.Deploy(t, environ)
	token := storeDevice(t, stack, mustFind(t, stack.Resource, "KeysSecret"), mustFind(t, stack.Resource, "DeviceTable"))
	r := restock(t, environ, onStack("devices", "show", "ACME-VAC-1::SN0001")...)
	if r.code != 0 || !strings.Contains(r.out, "active") || !strings.Contains(r.out, "not renewable, ends ") || strings.Contains(r.out, "connected") {
		t.Errorf("devices show: %+v", r)
	}
	j := restock(t, environ, onStack("devices", "show", "ACME-VAC-1::SN0001", "--json")...)
	var d map[string]any
	if err := json.Unmarshal([]byte(j.out), &d); err != nil || d["status"] != "active" || d["thing"] != "ACME-VAC-1::SN0001" || d["has_key"] != false {
		t.Errorf("devices show --json: %v, %+v", err, j)
	}
	if _, told := d["connected"]; told {
		t.Errorf("whether it is connected is not known: %s", j.out)
	}
	if out := r.out + j.out; strings.Contains(out, token) || strings.Contains(out, "access_token") {
		t.Errorf("a token is shown: %s", out)
	}
	restock(t, environ, onStack("devices", "show", "ACME-VAC-1::SN0002")...).sentence(t, exitFailed, "no device ACME-VAC-1::SN0002 has ever been paired with the stack")
	restock(t, environ, onStack("devices", "show", "vacuum")...).sentence(t, exitUsage, "::")
	restock(t, nil, "devices", "show", "ACME-VAC-1::SN0001", "--region", "eu-west-1").sentence(t, exitUsage, "--stack")
}
