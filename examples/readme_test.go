// Package examples has programs to lift. Those that the README prints are held against it.
package examples

import (
	"os"
	"strings"
	"testing"
)

func TestREADMEPrintsTheExamples(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"appstore/main.go", "codepair/main.go"} {
		program, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, code, _ := strings.Cut(string(program), "\nfunc main() {")
		if block := "```go\nfunc main() {" + code + "```\n"; !strings.Contains(string(readme), block) {
			t.Errorf("README.md doesn't print examples/%s as it is, from func main on", path)
		}
	}
}
