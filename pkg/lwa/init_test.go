package lwa_test

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A program that imports this package, a function that starts for one event for instance, does
// not pay for what only some errors need: compiled expressions alone were 2300 allocations.
func TestImportIsCheap(t *testing.T) {
	if os.Getenv("LWA_TEST_IMPORT") != "" {
		return // the program that is looked at
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestImportIsCheap$")
	cmd.Env = append(os.Environ(), "LWA_TEST_IMPORT=1", "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	const one = `(?m)^init github\.com/restock-dev/restock/pkg/lwa @.* (\d+) allocs$`
	m := regexp.MustCompile(one).FindStringSubmatch(string(out))
	if m == nil {
		if strings.Contains(string(out), "init net/http ") {
			return // nothing at all to initialise
		}
		t.Fatalf("no trace of the initialisation:\n%s", out)
	}
	if n, err := strconv.Atoi(m[1]); err != nil || n > 100 {
		t.Errorf("importing the package allocates %s times, want 100 at most", m[1])
	}
}
