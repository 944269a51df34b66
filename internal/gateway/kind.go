package gateway

import (
	"encoding/json"
	"strings"
)

// kind is what an event is.
type kind int

const (
	unknown kind = iota
	httpRequest
	ruleEvent
	queueBatch
	topicMessage
	scheduled
)

func (k kind) String() string {
	return [...]string{
		"nothing known", "an HTTP API request", "an event of the IoT rule", "an SQS batch",
		"an SNS notification", "an event of the schedule",
	}[k]
}

// kindOf looks at the members by which the kinds differ. encoding/json takes names in
// either case, so eventSource (SQS) is also EventSource (SNS).
func kindOf(payload []byte) kind {
	var e struct {
		Version        string
		RequestContext struct{ HTTP *struct{} }
		Records        []struct{ EventSource string }
		Thing          *string
		Action         *string
		Task           *string
	}
	if json.Unmarshal(payload, &e) != nil {
		return unknown
	}
	switch {
	case e.Version == "2.0" && e.RequestContext.HTTP != nil:
		return httpRequest
	case len(e.Records) > 0:
		return kindOfSource(e.Records[0].EventSource)
	case e.Thing != nil && e.Action != nil:
		return ruleEvent
	case e.Task != nil:
		return scheduled
	}
	return unknown
}

func kindOfSource(source string) kind {
	switch source {
	case "aws:sqs":
		return queueBatch
	case "aws:sns":
		return topicMessage
	}
	return unknown
}

// EventError is an event that a function does not take. Its text says what the
// function does take, and repeats nothing of the event.
type EventError struct {
	Function string
	Takes    string
	Reason   string
}

// Error implements error.
func (e *EventError) Error() string {
	return e.Function + " takes " + e.Takes + "; " + e.Reason
}

// PanicError is a handler that panicked; the log has the stack.
type PanicError struct{}

// Error implements error.
func (*PanicError) Error() string { return "handler panicked" }

func (f *Function) refuse(reason string) error {
	var takes []string
	for _, k := range []struct {
		name  string
		taken bool
	}{
		{"HTTP API requests in payload format 2.0", f.HTTP != nil},
		{"events of the IoT rule", f.Rule != nil},
		{"SQS batches", f.Queue != nil},
		{"SNS notifications", f.Topic != nil},
		{`{"task":"refresh"}`, f.Schedule != nil},
	} {
		if k.taken {
			takes = append(takes, k.name)
		}
	}
	return &EventError{Function: f.Name, Takes: strings.Join(takes, ", "), Reason: reason}
}
