package stack

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An exit code says nothing of how a function ended: its answer does.
func TestInvocation(t *testing.T) {
	for name, tt := range map[string]struct {
		out    string
		answer string
		failed string
	}{
		"answer":      {"{\"statusCode\":200}\n", `{"statusCode":200}`, ""},
		"null":        {"null", "null", ""},
		"error":       {`{"errorMessage":"takes SQS","errorType":"EventError"}`, "", "EventError: takes SQS"},
		"no type":     {`{"errorMessage":"takes SQS"}`, "", "takes SQS"},
		"killed":      {"\n", "", "no answer: it crashed, or ran out of time"},
		"a type only": {`{"errorType":"x"}`, `{"errorType":"x"}`, ""},
	} {
		i := invocation([]byte(tt.out), "log")
		if string(i.Answer) != tt.answer || i.Error != tt.failed || i.Log != "log" {
			t.Errorf("%s: %q, error %q, want %q, %q", name, i.Answer, i.Error, tt.answer, tt.failed)
		}
	}
}

// A queue that is made anew is as the template's was.
func TestSettable(t *testing.T) {
	got := settable(map[string]string{
		"VisibilityTimeout": "360", "RedrivePolicy": "{}", "QueueArn": "arn", "ApproximateNumberOfMessages": "1", "DelaySeconds": "",
	})
	if diff := cmp.Diff(map[string]string{"VisibilityTimeout": "360", "RedrivePolicy": "{}"}, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

// What a person has set up for AWS is nobody's business here.
func TestOwnEnviron(t *testing.T) {
	t.Setenv("AWS_PROFILE", "production")
	t.Setenv("RESTOCK_X", "y")
	got := map[string]bool{}
	for _, v := range ownEnviron() {
		got[v] = true
	}
	if got["AWS_PROFILE=production"] || !got["RESTOCK_X=y"] {
		t.Error("the environment has AWS_PROFILE, or lacks others")
	}
}
