package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/restock-dev/restock/internal/message"
	"github.com/restock-dev/restock/internal/mototest"
)

// onStack names moto's stack.
func onStack(args ...string) []string { return append(args, "--stack", mototest.Stack) }

func TestRedriveStack(t *testing.T) {
	environ := mototest.Environ(t)
	stack := mototest.Deploy(t, environ)
	queues := sqs.NewFromConfig(stack.AWS())
	url := func(logical string) *string {
		u, err := stack.Resource(logical)
		if err != nil {
			t.Fatal(err)
		}
		return &u
	}
	put := func(queue, body string) {
		if _, err := queues.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: url(queue), MessageBody: &body}); err != nil {
			t.Fatal(err)
		}
	}
	depth := func(queue string) string {
		const visible = types.QueueAttributeNameApproximateNumberOfMessages
		out, err := queues.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{QueueUrl: url(queue), AttributeNames: []types.QueueAttributeName{visible}})
		if err != nil {
			t.Fatal(err)
		}
		return out.Attributes[string(visible)]
	}
	put("RetryDlq", string(pressJob(t, "ACME-VAC-1::SN0001", "filter", 2*time.Hour).Body))
	put("RetryDlq", string(pressJob(t, "ACME-VAC-1::SN0002", "filter", 0).Body))
	put("RefreshDlq", `{"shard":"3"}`)

	run := func(args ...string) (redriven, ran) {
		t.Helper()
		r := restock(t, environ, onStack(append([]string{"redrive", "--json"}, args...)...)...)
		var got redriven
		if err := json.Unmarshal([]byte(r.out), &got); err != nil {
			t.Fatalf("redrive %v: code %d, %q, %q", args, r.code, r.out, r.err)
		}
		return got, r
	}
	seen, r := run("--dry-run")
	if r.code != 0 || seen.Queues[0].Count != 2 || seen.Queues[1].Count != 1 || seen.Queues[2].Count != 0 || depth("RetryDlq") != "2" || depth("RetryQueue") != "0" {
		t.Errorf("redrive --dry-run: %+v %s", seen, r.err)
	}
	put("RefreshDlq", "not ours")
	done, r := run("--yes")
	if r.code != exitFailed || len(done.Done) != 2 || done.Done[0].PutBack != 2 || done.Done[1].PutBack != 1 || done.Done[1].Left != 1 {
		t.Errorf("redrive --yes: code %d, %+v %s", r.code, done, r.err)
	}
	for queue, want := range map[string]string{"RetryDlq": "0", "RetryQueue": "2", "RefreshDlq": "1", "RefreshQueue": "1"} {
		if got := depth(queue); got != want {
			t.Errorf("%s holds %s messages, want %s", queue, got, want)
		}
	}
	out, err := queues.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: url("RetryQueue"), MaxNumberOfMessages: 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range out.Messages {
		var e message.RuleEvent
		if err := json.Unmarshal([]byte(aws.ToString(m.Body)), &e); err != nil || !strings.HasPrefix(e.Thing, "ACME-VAC-1::SN000") || e.ReceivedAt == 0 {
			t.Errorf("put back was %s", aws.ToString(m.Body))
		}
	}
	restock(t, environ, "redrive", "--yes", "--stack", "other").sentence(t, exitFailed, "no stack other in us-east-1")
}
