package stack

import (
	"context"
	"fmt"
	"strings"
)

// Containers returns the running containers of a function.
func (s *Stack) Containers(ctx context.Context, function string) (ids []string, err error) {
	running, err := command(ctx, nil, "docker", "ps", "-q", "--filter", "network="+s.host.network)
	if err != nil || running == "" {
		return nil, err
	}
	const format = "{{.Id}} {{range .Mounts}}{{.Source}} {{end}} {{.Config.Env}}"
	all, err := command(ctx, nil, "docker", append([]string{"inspect", "--format", format}, strings.Fields(running)...)...)
	if err != nil {
		return nil, err
	}
	for line := range strings.SplitSeq(all, "\n") {
		id, rest, _ := strings.Cut(line, " ")
		if strings.Contains(rest, "/"+function+" ") && strings.Contains(rest, "http://aws-"+s.Name+":") {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Kill ends containers, at whatever they are doing. SAM starts another for the next event
// of their function.
func (s *Stack) Kill(ctx context.Context, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	if _, err := command(ctx, nil, "docker", append([]string{"rm", "-f"}, ids...)...); err != nil {
		return fmt.Errorf("killing a function: %w", err)
	}
	return nil
}
