package stack

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// The images of the stack. The third is the one that functions run in; our own services
// are static binaries, which need nothing of it.
const (
	dynamoImage = "amazon/dynamodb-local"
	motoImage   = "motoserver/moto"
	plainImage  = "public.ecr.aws/lambda/provided:al2023"
)

// command runs a program and returns what it printed.
func command(ctx context.Context, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(ownEnviron(), env...)
	var out, trouble bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &trouble
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(trouble.Bytes()))
	}
	return strings.TrimSpace(out.String()), nil
}

// ownEnviron is the environment without what a person has set up for AWS: nothing here
// may reach that.
func ownEnviron() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "AWS_") })
}

// container starts a container in the host's network, by the alias of a service, and
// returns where this machine reaches its port.
func (h *Host) container(ctx context.Context, alias, port string, args ...string) (url string, err error) {
	name := h.network + "-" + alias
	run := append([]string{"run", "-d", "--name", name, "--network", h.network, "--network-alias", alias, "-p", "127.0.0.1::" + port}, args...)
	if _, err := command(ctx, nil, "docker", run...); err != nil {
		return "", err
	}
	published, err := command(ctx, nil, "docker", "port", name, port)
	if err != nil {
		return "", err
	}
	url = "http://" + published
	if err := answers(ctx, url); err != nil {
		said, _ := command(ctx, nil, "docker", "logs", name) // all there is to tell
		return "", fmt.Errorf("%s: %w: %s", alias, err, said)
	}
	return url, nil
}

// service starts one of our own programs.
func (h *Host) service(ctx context.Context, alias, port, binary string, args ...string) (url string, err error) {
	run := []string{"-v", h.file(binary) + ":/service:ro", "--entrypoint", "/service", plainImage}
	return h.container(ctx, alias, port, append(run, args...)...)
}

// answers waits until something answers at a URL, whatever it says.
func answers(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			return res.Body.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("nothing answers at %s: %w", url, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
