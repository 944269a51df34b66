package e2e_test

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"testing"

	"github.com/restock-dev/restock/internal/message"
)

// A device may run any MQTT client: this one is Mosquitto's, which nobody here wrote.
func TestMosquittoIsADevice(t *testing.T) {
	path, err := exec.LookPath("mosquitto_rr")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("mosquitto-clients is not installed")
		}
		t.Skip("mosquitto-clients is not installed")
	}
	stack := startUp(t)
	host, port, err := net.SplitHostPort(stack.MQTT)
	if err != nil {
		t.Fatal(err)
	}
	const thing = "ACME-VAC-1::SN:2B1"
	for _, version := range []string{"mqttv311", "mqttv5"} {
		t.Run(version, func(t *testing.T) {
			out, err := exec.CommandContext(t.Context(), path, "-V", version, "-h", host, "-p", port, "-i", thing, "-q", "1", "-W", "10",
				"-t", message.Up(thing, message.ActionReplenish), "-e", message.Down(thing, message.EventResult),
				"-m", `{"slot":"filter","id":"`+version+`"}`).CombinedOutput()
			var r message.Result
			if err != nil || json.Unmarshal(out, &r) != nil {
				t.Fatalf("mosquitto_rr: %v\n%s", err, out)
			}
			if r.ID != version || r.Thing != thing || r.Slot != "filter" || r.Outcome != message.NotRegistered {
				t.Errorf("result = %+v, want not_registered of this press", r)
			}
		})
	}
}
