//go:build sam

// Package samtest_test runs the functions as SAM builds and runs them, on stacks that are
// made from the translated template. `make sam-test` does it.
package samtest_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/restock-dev/restock/samtest/stack"
)

var python = flag.String("python", "python3", "Python with SAM's translator")

// host is where all stacks of the run are.
var host *stack.Host

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) (status int) {
	flag.Parse()
	var err error
	host, err = stack.Start(context.Background(), stack.Options{
		Root: "..", Name: "restock-samtest", Python: *python, Log: os.Stderr,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := host.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}()
	return m.Run()
}
