package stack

import (
	"context"
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// label marks the networks of hosts with the process that made them.
const label = "restock.pid"

// sweep takes down what processes have left that were killed, such as a test that panicked.
//
// Errors: what could not be taken down, perhaps because another run was first.
func sweep(ctx context.Context) error {
	list, err := command(ctx, nil, "docker", "network", "ls", "--filter", "label="+label, "--format", `{{.Name}} {{.Label "`+label+`"}}`)
	if err != nil {
		return err
	}
	var errs []error
	for line := range strings.Lines(list) {
		network, owner, _ := strings.Cut(strings.TrimSpace(line), " ")
		if pid, err := strconv.Atoi(owner); err == nil && !alive(pid) {
			errs = append(errs, takeDown(ctx, network))
		}
	}
	return errors.Join(errs...)
}

func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && !errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone)
}

// takeDown removes a network with all containers in it. Of these, SAM may be removing some
// at the same time; so it is looked twice.
func takeDown(ctx context.Context, network string) error {
	for range 2 {
		left, err := command(ctx, nil, "docker", "ps", "-aq", "--filter", "network="+network)
		if err != nil {
			return err
		}
		if ids := strings.Fields(left); len(ids) > 0 {
			_, _ = command(ctx, nil, "docker", append([]string{"rm", "-f", "-v"}, ids...)...) // the network tells if one is left
		}
	}
	_, err := command(ctx, nil, "docker", "network", "rm", network)
	return err
}
