package stack

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"github.com/restock-dev/restock/samtest/template"
)

// named says how the name and the ARN of a resource of some type come about, where
// nothing here makes one: what Ref gives, and each attribute. In the patterns, {} is the
// resource's name.
var named = map[string]struct {
	property   string // which may hold the name; "": none
	ref        string
	attributes map[string]string
}{
	"AWS::Lambda::Function":           {"FunctionName", "{}", map[string]string{"Arn": arn("lambda", "function:{}")}},
	"AWS::Lambda::Version":            {"", arn("lambda", "function:{}:1"), map[string]string{"Version": "1"}},
	"AWS::Lambda::EventSourceMapping": {"", "{}", nil},
	"AWS::IAM::Role":                  {"RoleName", "{}", map[string]string{"Arn": "arn:aws:iam::" + template.Account + ":role/{}"}},
	"AWS::Logs::LogGroup":             {"LogGroupName", "{}", map[string]string{"Arn": arn("logs", "log-group:{}:*")}},
	"AWS::IoT::TopicRule":             {"RuleName", "{}", map[string]string{"Arn": arn("iot", "rule/{}")}},
	"AWS::IoT::Policy":                {"PolicyName", "{}", map[string]string{"Arn": arn("iot", "policy/{}")}},
	"AWS::Scheduler::Schedule":        {"Name", "{}", map[string]string{"Arn": arn("scheduler", "schedule/default/{}")}},
	"AWS::ApiGatewayV2::Api":          {"", "api{}", map[string]string{"ApiEndpoint": "https://api{}.execute-api." + template.Region + ".amazonaws.com"}},
	"AWS::ApiGatewayV2::Integration":  {"", "{}", nil},
	"AWS::ApiGatewayV2::Route":        {"", "{}", nil},
	"AWS::ApiGatewayV2::Stage":        {"StageName", "{}", nil},
	"AWS::ApiGatewayV2::DomainName": {"DomainName", "{}", map[string]string{
		"RegionalDomainName": "d-{}.execute-api." + template.Region + ".amazonaws.com", "RegionalHostedZoneId": "Z1UJRXOUMOOFQ8",
	}},
	"AWS::CloudWatch::Alarm":               {"AlarmName", "{}", map[string]string{"Arn": arn("cloudwatch", "alarm:{}")}},
	"AWS::CloudWatch::CompositeAlarm":      {"AlarmName", "{}", map[string]string{"Arn": arn("cloudwatch", "alarm:{}")}},
	"AWS::CloudWatch::Dashboard":           {"DashboardName", "{}", nil},
	"AWS::CodeDeploy::Application":         {"ApplicationName", "{}", nil},
	"AWS::CodeDeploy::DeploymentGroup":     {"DeploymentGroupName", "{}", nil},
	"AWS::CertificateManager::Certificate": {"", "arn:aws:acm:" + template.Region + ":" + template.Account + ":certificate/{}", nil},
}

func arn(service, resource string) string {
	return "arn:aws:" + service + ":" + template.Region + ":" + template.Account + ":" + resource
}

// derive names the resources that nothing makes.
func (s *Stack) derive() error {
	t := s.Resolver.Template
	for logical, resource := range t.Resources {
		n, ok := named[resource.Type]
		if !ok {
			continue
		}
		name := s.Name + "-" + logical
		if resource.Type == "AWS::ApiGatewayV2::Api" {
			name = strings.ToLower(s.Name + logical)
		}
		if own := resource.Properties[n.property]; own != nil {
			resolved, err := s.Resolver.Resolve(own)
			if err != nil {
				return fmt.Errorf("the name of %s: %w", logical, err)
			}
			name = fmt.Sprint(resolved)
		}
		s.attribute(logical, "", strings.ReplaceAll(n.ref, "{}", name))
		for attribute, pattern := range n.attributes {
			s.attribute(logical, attribute, strings.ReplaceAll(pattern, "{}", name))
		}
	}
	return s.aliases()
}

// aliases and topics' ARNs are named by what others are.
func (s *Stack) aliases() error {
	t := s.Resolver.Template
	for _, logical := range t.OfType("AWS::Lambda::Alias") {
		p := t.Resources[logical].Properties
		function, err := s.Resolver.Resolve([]any{p["FunctionName"], p["Name"]})
		if err != nil {
			return fmt.Errorf("the function of %s: %w", logical, err)
		}
		names := function.([]any)
		s.attribute(logical, "", arn("lambda", fmt.Sprintf("function:%v:%v", names[0], names[1])))
	}
	for _, logical := range t.OfType("AWS::SNS::Topic") {
		s.attribute(logical, "TopicArn", s.Ref(logical))
	}
	return nil
}

// Function returns the logical name of the function that a name, an ARN, or that of one
// of its aliases belongs to; "" for none.
func (s *Stack) Function(id string) string {
	names := s.Resolver.Template.OfType("AWS::Lambda::Function")
	i := slices.IndexFunc(names, func(name string) bool {
		own := s.Ref(name)
		return id == own || strings.HasSuffix(id, ":function:"+own) || strings.Contains(id, ":function:"+own+":")
	})
	if i < 0 {
		return ""
	}
	return names[i]
}

func parameter(name, value string) types.Parameter {
	return types.Parameter{ParameterKey: &name, ParameterValue: &value}
}
