package awsproxy

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Kind is a way to fail.
type Kind string

// The kinds. Throttled, Broken, Denied and Conflict are answers in the words of the
// service that is called, and the upstream does not hear of the call.
const (
	Throttled  Kind = "throttled"
	Broken     Kind = "broken"      // an error of the server, 5xx
	Denied     Kind = "denied"      // no permission
	Conflict   Kind = "conflict"    // the condition of a write to DynamoDB does not hold
	DropBefore Kind = "drop_before" // no answer, and nothing was done
	DropAfter  Kind = "drop_after"  // no answer, but it was done
	Delay      Kind = "delay"       // forwarded after DelayMS
)

// Fault is a rule by which calls fail. An empty member fits every call. Of several rules
// that fit, the oldest strikes.
type Fault struct {
	Kind     Kind   `json:"kind"`
	Caller   string `json:"caller,omitempty"`
	Service  string `json:"service,omitempty"`  // as in Action: dynamodb
	API      string `json:"api,omitempty"`      // PutItem
	Resource string `json:"resource,omitempty"` // a part of the ARN
	Skip     int    `json:"skip,omitempty"`     // so many calls that fit pass first
	Times    int    `json:"times,omitempty"`    // and then so many fail; 0: all
	DelayMS  int    `json:"delay_ms,omitempty"` // of Delay
}

// rule is a fault in force.
type rule struct {
	Fault
	passed, struck int
}

// Script adds a rule.
//
// Errors: one sentence about what is wrong with it.
func (p *Proxy) Script(f Fault) error {
	switch f.Kind {
	case Throttled, Broken, Denied, DropBefore, DropAfter:
	case Conflict:
		if f.Service != "dynamodb" {
			return fmt.Errorf("kind %s is for the service dynamodb only", f.Kind)
		}
	case Delay:
		if f.DelayMS <= 0 {
			return fmt.Errorf("kind %s needs delay_ms above 0", f.Kind)
		}
	default:
		return fmt.Errorf("kind must be one of %s", []Kind{Throttled, Broken, Denied, Conflict, DropBefore, DropAfter, Delay})
	}
	if f.Skip < 0 || f.Times < 0 {
		return fmt.Errorf("skip and times must not be below 0")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, &rule{Fault: f})
	return nil
}

// Heal ends all faults.
func (p *Proxy) Heal() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
}

// Faults returns the rules that may still strike.
func (p *Proxy) Faults() []Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := []Fault{}
	for _, r := range p.faults {
		if !r.spent() {
			all = append(all, r.Fault)
		}
	}
	return all
}

func (r *rule) spent() bool { return r.Times > 0 && r.struck >= r.Times }

func (r *rule) fits(s *service, c *Call) bool {
	return (r.Caller == "" || r.Caller == c.Caller) && (r.Service == "" || r.Service == s.prefix) &&
		(r.API == "" || r.API == c.API) && strings.Contains(c.Resource, r.Resource) &&
		(r.Kind != Conflict || c.API == "PutItem" || c.API == "DeleteItem")
}

// strikes returns the fault that a call meets, a zero one for none.
func (p *Proxy) strikes(s *service, c *Call) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.faults {
		switch {
		case r.spent(), !r.fits(s, c):
		case r.passed < r.Skip:
			r.passed++
		default:
			r.struck++
			return r.Fault
		}
	}
	return Fault{}
}

// answer is an error of a service.
type answer struct {
	status  int
	code    string
	message string
}

// write words it as the service does.
func (a answer) write(w http.ResponseWriter, s *service) {
	body := map[string]string{"__type": a.code, "message": a.message}
	if s == iotData { // REST: the code is a header
		delete(body, "__type")
		w.Header().Set("X-Amzn-ErrorType", a.code)
	}
	text, _ := json.Marshal(body) // two texts
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(a.status)
	_, _ = w.Write(text) // the caller may have gone
}

func (s *service) answer(k Kind) answer {
	a := s.errors[k]
	a.message = "awsproxy: " + string(k)
	return a
}

const dynamoType = "com.amazonaws.dynamodb.v20120810#"

// Sources: the service models of the SDK, and the "common errors" page of each service.
var (
	dynamoErrors = map[Kind]answer{
		Throttled: {status: 400, code: dynamoType + "ProvisionedThroughputExceededException"},
		Broken:    {status: 500, code: dynamoType + "InternalServerError"},
		Denied:    {status: 400, code: "com.amazon.coral.service#AccessDeniedException"},
		Conflict:  {status: 400, code: dynamoType + "ConditionalCheckFailedException"},
	}
	sqsErrors = map[Kind]answer{
		Throttled: {status: 403, code: "com.amazonaws.sqs#RequestThrottled"},
		Broken:    {status: 500, code: "com.amazonaws.sqs#InternalFailure"},
		Denied:    {status: 403, code: "com.amazonaws.sqs#AccessDenied"},
	}
	secretsErrors = map[Kind]answer{
		Throttled: {status: 400, code: "ThrottlingException"},
		Broken:    {status: 500, code: "InternalServiceError"},
		Denied:    {status: 400, code: "AccessDeniedException"},
	}
	eventsErrors = map[Kind]answer{
		Throttled: {status: 400, code: "ThrottlingException"},
		Broken:    {status: 500, code: "InternalException"},
		Denied:    {status: 400, code: "AccessDeniedException"},
	}
	iotErrors = map[Kind]answer{
		Throttled: {status: 429, code: "ThrottlingException"},
		Broken:    {status: 500, code: "InternalFailureException"},
		Denied:    {status: 403, code: "ForbiddenException"},
	}
)

// shortCode takes the namespace, and a URI behind, off an error code.
func shortCode(code string) string {
	if _, name, ok := strings.Cut(code, "#"); ok {
		code = name
	}
	code, _, _ = strings.Cut(code, ":")
	return code
}
