// Package stack deploys template.yaml on one machine, out of its translation alone, for
// tests and for people who want to try it: the table, the index and the queues are made
// from its resources, and the functions, which SAM runs in Docker, get the environment
// that their resources say, with all references resolved. What stands in for AWS and for
// Amazon runs in containers of one Docker network.
//
//	Host    the network, DynamoDB Local, moto, the built functions; several stacks
//	Stack   one deployment: a table, queues, secrets; a recording proxy before AWS, a sandbox
//
// It needs Docker, the SAM CLI, Go, and Python with what samtest/requirements.txt lists.
package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// Options are where a host is made.
type Options struct {
	// Root is the repository. Required.
	Root string
	// Name begins the names of the network and the containers; the process ID follows.
	// Required.
	Name string
	// Python has SAM's translator. Required.
	Python string
	// Log hears what is done; nil: nobody.
	Log io.Writer
}

// Host is what the stacks of a run share. Make one with [Start], and Close it.
type Host struct {
	options Options
	dir     string // of this run
	network string
	up      bool // there is such a network

	dynamoURL, motoURL string // as this machine reaches them
}

// Start builds the functions, and starts what stacks share.
func Start(ctx context.Context, o Options) (*Host, error) {
	dir, err := os.MkdirTemp("", o.Name+"-")
	if err != nil {
		return nil, err
	}
	h := &Host{options: o, dir: dir, network: o.Name + "-" + strconv.Itoa(os.Getpid())}
	if err := h.start(ctx); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

func (h *Host) start(ctx context.Context) (err error) {
	h.say("building")
	if err := h.build(ctx); err != nil {
		return err
	}
	h.say("starting DynamoDB Local and moto")
	if err := sweep(ctx); err != nil {
		h.say("clearing up after earlier runs: %v", err)
	}
	if _, err := command(ctx, nil, "docker", "network", "create", "--label", label+"="+strconv.Itoa(os.Getpid()), h.network); err != nil {
		return err
	}
	h.up = true
	h.dynamoURL, err = h.container(ctx, "dynamodb", "8000", dynamoImage, "-jar", "DynamoDBLocal.jar", "-sharedDb", "-inMemory")
	if err != nil {
		return err
	}
	h.motoURL, err = h.container(ctx, "moto", "5000", motoImage)
	return err
}

// build makes the functions, as they are deployed but for this machine's processor, and
// the services.
func (h *Host) build(ctx context.Context) error {
	for _, service := range []string{"amazon", "awsproxy"} {
		env := []string{"CGO_ENABLED=0", "GOOS=linux"}
		if _, err := command(ctx, env, "go", "-C", h.options.Root, "build", "-o", h.file(service), "./samtest/"+service); err != nil {
			return err
		}
	}
	_, err := command(ctx, append(samEnv(), "BUILD_DIR="+h.file("build")), filepath.Join(h.options.Root, ".ci", "sam-build"), architecture())
	return err
}

// architecture is that of the functions: this machine's.
func architecture() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}

// samEnv keeps the SAM CLI from asking AWS, or telling it.
func samEnv() []string {
	return []string{"AWS_DEFAULT_REGION=us-east-1", "SAM_CLI_TELEMETRY=0"}
}

func (h *Host) file(name string) string { return filepath.Join(h.dir, name) }

func (h *Host) say(format string, args ...any) {
	if h.options.Log != nil {
		fmt.Fprintf(h.options.Log, format+"\n", args...)
	}
}

// Close takes down all that was started, also the stacks, and containers of functions
// that SAM has left.
func (h *Host) Close() error {
	errs := []error{os.RemoveAll(h.dir)}
	if h.up {
		errs = append(errs, takeDown(context.Background(), h.network)) // the run's context may have ended
	}
	return errors.Join(errs...)
}
