package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// startFunctions measures each function from exec to the answer to its first event,
// beside the smallest function. The events are refusals: what is measured is the start,
// not a table that is or is not there.
func startFunctions(ctx context.Context, b *built, rounds int) ([]row, error) {
	var rows []row
	for _, name := range slices.Sorted(maps.Keys(firstEvents)) {
		event := firstEvents[name]
		r := row{what: "`" + name + "` function: start to first answer", unit: "ms", peerName: "bare aws-lambda-go function"}
		for range rounds {
			if err := invokeCold(ctx, b.functions[name], event, &r.ours); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if err := invokeCold(ctx, b.function, event, &r.peer); err != nil {
				return nil, fmt.Errorf("peer: %w", err)
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

const httpEvent = `{"version":"2.0","routeKey":"GET /","rawPath":"/","rawQueryString":"","headers":{"host":"restock.example"},` +
	`"requestContext":{"domainName":"restock.example","http":{"method":"%s","path":"%s","protocol":"HTTP/1.1","sourceIp":"192.0.2.1"}},"isBase64Encoded":false}`

var firstEvents = map[string]string{
	"callback":  strings.Replace(fmt.Sprintf(httpEvent, "GET", "/"), `GET /"`, `GET /"`, 1),
	"replenish": strings.Replace(fmt.Sprintf(httpEvent, "POST", "/v1/replenish"), `"rawPath":"/"`, `"rawPath":"/v1/replenish"`, 1),
	"refresh":   `{"task":"nothing"}`,
	"notify":    `{"Records":[]}`,
}

// invokeCold starts a function against a Lambda runtime API of our own, which has one
// event for it, and adds the time until the answer to that has come.
// Source: docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html.
func invokeCold(ctx context.Context, binary, event string, s *sample) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	answered := make(chan time.Time, 1)
	events := make(chan struct{}, 1)
	events <- struct{}{}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/invocation/next") {
			answered <- time.Now()
			_, _ = io.Copy(io.Discard, r.Body) // only when it came counts
			w.WriteHeader(http.StatusAccepted)
			return
		}
		select {
		case <-events:
			h := w.Header()
			h.Set("Lambda-Runtime-Aws-Request-Id", "00000000-0000-0000-0000-000000000001")
			h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(10*time.Second).UnixMilli(), 10))
			_, _ = io.WriteString(w, event)
		case <-ctx.Done():
		}
	}))
	defer api.Close()
	defer cancel()

	cmd := exec.CommandContext(ctx, binary)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.Env = append(os.Environ(), functionEnv...)
	cmd.Env = append(cmd.Env, "AWS_LAMBDA_RUNTIME_API="+api.Listener.(*net.TCPListener).Addr().String())
	from := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() {
		_ = cmd.Process.Kill() // it would ask for the next event for ever
		_ = cmd.Wait()
	}()
	select {
	case at := <-answered:
		s.add(at.Sub(from))
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no answer within 20 s: %s", output.String())
	}
}

var functionEnv = []string{
	"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=example", "AWS_SECRET_ACCESS_KEY=example",
	"RESTOCK_TABLE=restock", "RESTOCK_LWA_SECRET=lwa", "RESTOCK_KEYS_SECRET=keys",
	"RESTOCK_REDIRECT_URL=https://restock.example/callback", "RESTOCK_LWA_REGION=na",
	"RESTOCK_RETRY_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/000000000000/retry",
	"RESTOCK_REFRESH_QUEUE_URL=https://sqs.us-east-1.amazonaws.com/000000000000/refresh",
}
