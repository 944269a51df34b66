package cfn_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restock-dev/restock/internal/cfn"
)

const text = `
Parameters:
  Bus: {Type: String, Default: ''}
Conditions:
  HasBus: !Not [!Equals [!Ref Bus, '']]
Globals:
  Function:
    Timeout: 3
    Environment:
      Variables: {TABLE: !Ref Table, BUS: !Ref Bus, SHARDS: '16', URL: ''}
Resources:
  Table: {Type: AWS::DynamoDB::Table}
  Queue: {Type: AWS::SQS::Queue}
  Secret: {Type: AWS::SecretsManager::Secret}
  Topic: {Type: AWS::SNS::Topic}
  Logs: {Type: AWS::Logs::LogGroup}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Timeout: 29
      LoggingConfig: {LogGroup: !Ref Logs}
      Environment:
        Variables: {QUEUE: !Ref Queue, URL: !If [HasBus, !Sub 'https://${Bus}', none]}
`

func TestRead(t *testing.T) {
	got, err := cfn.Read([]byte("a: !Ref B\nb: !GetAtt C.Arn\nc: !If [D, [1, true], !Sub '${E}']\nd: !Condition F\ne: !Select [0, !GetAZs '']"))
	if err != nil {
		t.Fatal(err)
	}
	want := cfn.Object{
		"a": cfn.Object{"Ref": "B"}, "b": cfn.Object{"Fn::GetAtt": "C.Arn"},
		"c": cfn.Object{"Fn::If": []any{"D", []any{1, true}, cfn.Object{"Fn::Sub": "${E}"}}}, "d": cfn.Object{"Condition": "F"},
		"e": cfn.Object{"Fn::Select": []any{0, cfn.Object{"Fn::GetAZs": ""}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("template differs (-want +got):\n%s", diff)
	}
	for _, bad := range []string{"", "- a", "a: &x 1\nb: *x", "a: ["} {
		if _, err := cfn.Read([]byte(bad)); err == nil {
			t.Errorf("Read(%q) = nil, want an error", bad)
		}
		if _, err := cfn.Parse([]byte(bad), nil); err == nil {
			t.Errorf("Parse(%q) = nil, want an error", bad)
		}
	}
}

func TestStack(t *testing.T) {
	s, err := cfn.Parse([]byte(text), map[string]string{"Bus": "fleet"})
	if err != nil {
		t.Fatal(err)
	}
	const queue = "https://sqs.us-east-1.amazonaws.com/123456789012/Queue"
	environ, err := s.Environ("F")
	if diff := cmp.Diff(map[string]string{"TABLE": "Table", "BUS": "fleet", "SHARDS": "16", "URL": "https://fleet", "QUEUE": queue}, environ); err != nil || diff != "" {
		t.Errorf("environment differs, %v (-want +got):\n%s", err, diff)
	}
	f, err := s.Function("F")
	if err != nil || cfn.At(f, "Timeout") != 29. || cfn.At(f, "LoggingConfig", "LogGroup") != "Logs" {
		t.Errorf("Function(F) = %v, %v", f, err)
	}
	for expression, want := range map[string]string{
		"${Table.Arn}": "arn:aws:dynamodb:us-east-1:123456789012:table/Table", "${Queue.Arn}": "arn:aws:sqs:us-east-1:123456789012:Queue",
		"${Queue}": queue, "${Secret}": "arn:aws:secretsmanager:us-east-1:123456789012:secret:Secret-AbCdEf",
		"${Topic}": "arn:aws:sns:us-east-1:123456789012:Topic", "${Logs.Arn}": "arn:aws:logs:us-east-1:123456789012:log-group:Logs:*", "${F}": "F",
	} {
		if got, err := s.Resolve(cfn.Object{"Fn::Sub": expression}); err != nil || got != want {
			t.Errorf("%s = %v, %v, want %s", expression, got, err, want)
		}
	}
	if _, err := s.Function("Queue"); err == nil {
		t.Error("Function(Queue) = nil, want an error")
	}
	if _, err := s.Environ("Queue"); err == nil {
		t.Error("Environ(Queue) = nil, want an error")
	}
	if got := cfn.List(nil); got != nil {
		t.Errorf("List(nil) = %v", got)
	}
}

func TestDeployed(t *testing.T) {
	s, err := cfn.Deployed(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range s.Template.OfType("AWS::Serverless::Function") {
		if _, err := s.Environ(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := cfn.Deployed(map[string]string{"Nobody": "x"}); err == nil {
		t.Error("Deployed() with an unknown parameter = nil, want an error")
	}
}
