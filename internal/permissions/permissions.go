// Package permissions holds what functions call of AWS against what their roles allow, in
// both directions: a call that is not allowed fails on AWS only, and a permission that
// nothing uses is there for an intruder.
package permissions

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/restock-dev/restock/internal/cfn"
	"github.com/restock-dev/restock/samtest/template"
)

// Grant is one action that a policy allows on one resource. A resource may hold * and ?.
type Grant struct {
	Action, Resource string
	Via              []string // the services by which alone it is allowed; nil: any way
}

// Call is one action on one resource.
type Call struct {
	Action, Resource string
	Via              string // the service that makes it for the function; "": none
	Why              string // of a call that AWS makes under the role; "" for the function's own
}

// Function returns what the role of a function allows, and what AWS itself calls under that
// role because of how the function is configured.
//
// Errors: what in the template is not understood, so that nothing is overlooked.
func Function(s *cfn.Stack, name string) (grants []Grant, byAWS []Call, err error) {
	f, err := s.Function(name)
	if err != nil {
		return nil, nil, err
	}
	role, _ := f["Role"].(string)
	_, role, _ = strings.Cut(role, ":role/")
	if grants, err = Role(s, role); err != nil {
		return nil, nil, fmt.Errorf("role of %s: %w", name, err)
	}
	return grants, configured(f), nil
}

// configured returns the calls of AWS that follow from the settings of a function.
//
// Source: docs.aws.amazon.com/lambda/latest/dg/lambda-intro-execution-role.html,
// …/with-sqs.html, …/invocation-async-retain-records.html
func configured(f any) []Call {
	var all []Call
	if group, ok := cfn.At(f, "LoggingConfig", "LogGroup").(string); ok {
		stream := "arn:aws:logs:" + template.Region + ":" + template.Account + ":log-group:" + group + ":log-stream:2026/01/08/1"
		for _, action := range []string{"logs:CreateLogStream", "logs:PutLogEvents"} {
			all = append(all, Call{Action: action, Resource: stream, Why: "Lambda writes the function's log"})
		}
	}
	events, _ := cfn.At(f, "Events").(cfn.Object)
	for _, e := range events {
		queue, ok := cfn.At(e, "Properties", "Queue").(string)
		if !ok || cfn.At(e, "Type") != "SQS" {
			continue
		}
		for _, action := range []string{"sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"} {
			all = append(all, Call{Action: action, Resource: queue, Why: "Lambda polls the event source"})
		}
	}
	for _, on := range []string{"OnFailure", "OnSuccess"} {
		to := cfn.At(f, "EventInvokeConfig", "DestinationConfig", on)
		if arn, ok := cfn.At(to, "Destination").(string); ok && cfn.At(to, "Type") == "SQS" {
			all = append(all, Call{Action: "sqs:SendMessage", Resource: arn, Why: "Lambda hands events over to the destination"})
		}
	}
	if cfn.At(f, "Tracing") == "Active" {
		for _, action := range []string{"xray:PutTraceSegments", "xray:PutTelemetryRecords"} {
			all = append(all, Call{Action: action, Resource: "*", Why: "Lambda writes traces"})
		}
	}
	return all
}

// Role returns what a role allows.
func Role(s *cfn.Stack, name string) ([]Grant, error) {
	role := s.Template.Resources[name]
	if role.Type != "AWS::IAM::Role" {
		return nil, fmt.Errorf("there is no role %q", name)
	}
	declared := role.Properties
	if declared["ManagedPolicyArns"] != nil {
		return nil, fmt.Errorf("a managed policy allows more than a function needs")
	}
	policies, err := s.Resolve(declared["Policies"])
	if err != nil {
		return nil, err
	}
	return Policies(policies)
}

// Policies returns what the policies of a role allow, with all references resolved.
//
// Errors: as those of [Function].
func Policies(policies any) ([]Grant, error) {
	var all []Grant
	for _, p := range cfn.List(policies) {
		for _, statement := range cfn.List(cfn.At(p, "PolicyDocument", "Statement")) {
			found, err := grantsOf(statement)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
	}
	return all, nil
}

func grantsOf(statement any) ([]Grant, error) {
	members, _ := statement.(cfn.Object)
	for name := range members {
		if !slices.Contains([]string{"Sid", "Effect", "Action", "Resource", "Condition"}, name) {
			return nil, fmt.Errorf("%s in a statement is not understood", name)
		}
	}
	if members["Effect"] != "Allow" {
		return nil, fmt.Errorf("a statement with the effect %v is not understood", members["Effect"])
	}
	via, err := viaOf(members["Condition"])
	if err != nil {
		return nil, err
	}
	var all []Grant
	for _, action := range cfn.List(members["Action"]) {
		for _, resource := range cfn.List(members["Resource"]) {
			all = append(all, Grant{fmt.Sprint(action), fmt.Sprint(resource), via})
		}
	}
	return all, nil
}

// viaOf reads the one condition that is understood.
func viaOf(condition any) (via []string, err error) {
	if condition == nil {
		return nil, nil
	}
	c, _ := condition.(cfn.Object)
	equals, _ := c["StringEquals"].(cfn.Object)
	services := cfn.List(equals["kms:ViaService"])
	if len(c) != 1 || len(equals) != 1 || len(services) == 0 {
		return nil, fmt.Errorf("the condition %v is not understood", condition)
	}
	for _, s := range services {
		via = append(via, fmt.Sprint(s))
	}
	return via, nil
}

// Denied returns a sentence for each call that no grant allows.
func Denied(grants []Grant, calls []Call) []string {
	var faults []string
	for _, c := range calls {
		if !slices.ContainsFunc(grants, func(g Grant) bool { return g.allows(c) }) {
			faults = append(faults, c.denied())
		}
	}
	slices.Sort(faults)
	return slices.Compact(faults)
}

// Check returns a sentence for each call that no grant allows, and for each grant, and each
// service that one names, that no call needs.
func Check(grants []Grant, calls []Call) []string {
	faults := map[string]bool{}
	needed := make([]bool, len(grants))
	used := map[[2]string]bool{} // resource and service
	for _, c := range calls {
		allowed := false
		for i, g := range grants {
			if g.allows(c) {
				allowed, needed[i] = true, true
				used[[2]string{g.Resource, c.Via}] = true
			}
		}
		if !allowed {
			faults[c.denied()] = true
		}
	}
	for i, g := range grants {
		if !needed[i] {
			faults[fmt.Sprintf("%s on %s is allowed, and never used", g.Action, g.Resource)] = true
		}
		for _, via := range g.Via {
			if !used[[2]string{g.Resource, via}] {
				faults[fmt.Sprintf("%s is allowed via %s, and never used so", g.Resource, via)] = true
			}
		}
	}
	sorted := []string{}
	for f := range faults {
		sorted = append(sorted, f)
	}
	slices.Sort(sorted)
	return sorted
}

// String is how a fault names the call.
func (c Call) String() string {
	text := c.Action + " on " + c.Resource
	if c.Via != "" {
		text += " via " + c.Via
	}
	if c.Why != "" {
		text += " (" + c.Why + ")"
	}
	return text
}

func (c Call) denied() string { return c.String() + " is not allowed" }

// allows reports whether g allows c. An action must be named in full, and so must a resource
// be, for calls that have one: * alone is for those that have none.
func (g Grant) allows(c Call) bool {
	if g.Action != c.Action || g.Resource == "*" && c.Resource != "*" || g.Via != nil && !slices.Contains(g.Via, c.Via) {
		return false
	}
	pattern := regexp.QuoteMeta(g.Resource)
	pattern = strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(pattern)
	return regexp.MustCompile(`^(?s:` + pattern + `)$`).MatchString(c.Resource)
}
