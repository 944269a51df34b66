package functions_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var override = regexp.MustCompile(`"([A-Za-z]+)=([^"]*)"`)

// What samconfig.toml sets is what the template takes; production orders for real, is watched
// while it is deployed, and asks before it changes anything.
func TestSamconfig(t *testing.T) {
	text, err := os.ReadFile("../samconfig.toml")
	if err != nil {
		t.Fatal(err)
	}
	parameters := template(t)["Parameters"].(object)
	found := map[string]map[string]string{}
	for _, environment := range []string{"default", "prod"} {
		_, section, ok := strings.Cut(string(text), "\n["+environment+".deploy.parameters]\n")
		if !ok {
			t.Fatalf("nothing is set for the deployment of %s", environment)
		}
		section, _, _ = strings.Cut(section, "\n[")
		found[environment] = map[string]string{}
		for _, m := range override.FindAllStringSubmatch(section, -1) {
			found[environment][m[1]] = m[2]
			p := parameters[m[1]]
			values, limited := at(p, "AllowedValues").([]any)
			if p == nil || limited && !slices.ContainsFunc(values, func(v any) bool { return fmt.Sprint(v) == m[2] }) {
				t.Errorf("%s: the template takes no %s", environment, m[0])
			}
		}
		if asks := strings.Contains(section, "confirm_changeset = true"); asks != (environment == "prod") {
			t.Errorf("%s asks before it changes anything: %v", environment, asks)
		}
	}
	for name, want := range map[string]string{"TestDevices": "false", "NonLive": "false", "GradualDeployment": "true", "LogRetentionDays": "365"} {
		if got := found["prod"][name]; got != want {
			t.Errorf("prod: %s = %q, want %s", name, got, want)
		}
	}
	if strings.Contains(string(text), "cached = true") {
		t.Error("a cached build misses what has changed outside of a function's own folder")
	}
}
