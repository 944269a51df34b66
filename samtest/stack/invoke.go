package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"strings"
)

// Invocation is what a function made of an event.
type Invocation struct {
	Answer []byte // JSON; nil where there is none
	Error  string // type and message as Lambda tells them, "" without
	// Log is what the function wrote, among what SAM did.
	Log string
}

// Invoke hands an event to a function, by its logical name, in a fresh container by `sam
// local invoke`. env are variables to set otherwise; those that the template does not
// declare are refused: SAM would drop them.
//
// Errors: that of a run that SAM could not make. That a function failed, ran out of time
// or crashed is no error but in the Invocation.
func (s *Stack) Invoke(ctx context.Context, function string, event []byte, env map[string]string) (*Invocation, error) {
	variables := maps.Clone(s.Environ[function])
	if variables == nil {
		return nil, fmt.Errorf("there is no function %s", function)
	}
	for name, value := range env {
		if _, ok := variables[name]; !ok {
			return nil, fmt.Errorf("%s does not declare %s", function, name)
		}
		variables[name] = value
	}
	text, err := json.Marshal(map[string]any{function: variables})
	if err != nil {
		return nil, err
	}
	envFile, err := s.host.writeFile("env-*.json", text)
	if err != nil {
		return nil, err
	}
	defer os.Remove(envFile)
	eventFile, err := s.host.writeFile("event-*.json", event)
	if err != nil {
		return nil, err
	}
	defer os.Remove(eventFile)
	cmd := exec.CommandContext(ctx, "sam", append([]string{"local", "invoke", function, "--event", eventFile}, s.local(envFile)...)...)
	cmd.Env = append(ownEnviron(), s.credentials(function)...)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("sam local invoke %s: %w: %s", function, err, log.Bytes())
	}
	return invocation(out.Bytes(), log.String()), nil
}

// local are the arguments that the commands of `sam local` share.
func (s *Stack) local(envFile string) []string {
	args := []string{
		"--template", s.host.template(), "--env-vars", envFile, "--docker-network", s.host.network, "--region", "us-east-1",
		"--parameter-overrides",
	}
	return append(args, s.overrides()...)
}

// credentials are of the function's own name, by which the proxy tells who calls.
func (s *Stack) credentials(function string) []string {
	return append(samEnv(), "AWS_ACCESS_KEY_ID="+function, "AWS_SECRET_ACCESS_KEY=test")
}

func invocation(out []byte, log string) *Invocation {
	i := &Invocation{Answer: bytes.TrimSpace(out), Log: log}
	var failed struct {
		Type    *string `json:"errorType"`
		Message *string `json:"errorMessage"`
	}
	switch {
	case len(i.Answer) == 0:
		i.Answer, i.Error = nil, "no answer: it crashed, or ran out of time"
	case json.Unmarshal(i.Answer, &failed) == nil && failed.Message != nil:
		i.Answer = nil
		i.Error = strings.TrimPrefix(fmt.Sprintf("%s: %s", deref(failed.Type), *failed.Message), ": ")
	}
	return i
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
