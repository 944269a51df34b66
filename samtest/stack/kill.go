package stack

import (
	"context"
	"fmt"
	"strings"
)

// Kill ends the running containers of a function, at whatever they are doing, and returns
// how many there were. SAM starts another for the next event.
func (s *Stack) Kill(ctx context.Context, function string) (int, error) {
	ids, err := command(ctx, nil, "docker", "ps", "-q", "--filter", "network="+s.host.network)
	if err != nil || ids == "" {
		return 0, err
	}
	const format = "{{.Id}} {{range .Mounts}}{{.Source}} {{end}} {{.Config.Env}}"
	all, err := command(ctx, nil, "docker", append([]string{"inspect", "--format", format}, strings.Fields(ids)...)...)
	if err != nil {
		return 0, err
	}
	killed := 0
	for _, line := range strings.Split(all, "\n") {
		id, rest, _ := strings.Cut(line, " ")
		if !strings.Contains(rest, "/"+function+" ") || !strings.Contains(rest, "http://aws-"+s.Name+":") {
			continue
		}
		if _, err := command(ctx, nil, "docker", "rm", "-f", id); err != nil {
			return killed, fmt.Errorf("killing %s: %w", function, err)
		}
		killed++
	}
	return killed, nil
}
