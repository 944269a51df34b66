// Package deployed finds a stack of template.yaml in an AWS account, for the commands
// of operators: what it is called there, what it says of itself, and how its functions
// are set.
//
// Unlike package cloud it looks for credentials wherever the AWS command line does:
// variables, profiles, single sign-on, roles. Functions must not link it.
package deployed

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// attemptTimeout is for one attempt of a call, of which the SDK makes three: who waits is a person.
const attemptTimeout = 20 * time.Second

// Options say which stack.
type Options struct {
	Stack   string // its name, as in samconfig.toml
	Region  string // empty: as the AWS command line has it, from variables or the profile
	Profile string // of the AWS command line's files; empty: AWS_PROFILE or the default
}

// Stack is a deployed stack, as it was when it was opened. It is safe for concurrent use.
type Stack struct {
	name      string
	sdk       aws.Config
	outputs   map[string]string
	resources map[string]string
	functions func(context.Context, *lambda.GetFunctionConfigurationInput, ...func(*lambda.Options)) (*lambda.GetFunctionConfigurationOutput, error)
}

// Open finds a stack that is whole: one that is being made, changed or deleted is refused.
//
// Errors are sentences for the operator: of credentials, region, permission or stack.
func Open(ctx context.Context, o Options) (*Stack, error) {
	if o.Stack == "" {
		return nil, errors.New("the name of a stack must be given, as in samconfig.toml")
	}
	sdk, err := load(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &Stack{name: o.Stack, sdk: sdk, functions: lambda.NewFromConfig(sdk).GetFunctionConfiguration}
	client := cloudformation.NewFromConfig(sdk)
	if err := s.describe(ctx, client); err != nil {
		return nil, err
	}
	return s, s.list(ctx, client)
}

func load(ctx context.Context, o Options) (aws.Config, error) {
	sdk, err := config.LoadDefaultConfig(ctx,
		config.WithRegion(o.Region), config.WithSharedConfigProfile(o.Profile),
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTimeout(attemptTimeout)),
	)
	if err != nil {
		return sdk, Explain(err)
	}
	if sdk.Region == "" {
		return sdk, errors.New("no AWS region is set: give --region, or set AWS_REGION or the region of the profile")
	}
	if _, err := sdk.Credentials.Retrieve(ctx); err != nil {
		return sdk, credentialsError(err)
	}
	return sdk, nil
}

func (s *Stack) describe(ctx context.Context, c *cloudformation.Client) error {
	out, err := c.DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: &s.name})
	if absent(err) || err == nil && len(out.Stacks) == 0 {
		return fmt.Errorf("there is no stack %s in %s: look at its name and region in samconfig.toml, and at the account of the credentials", s.name, s.sdk.Region)
	}
	if err != nil {
		return Explain(err)
	}
	found := out.Stacks[0]
	if err := s.whole(found.StackStatus); err != nil {
		return err
	}
	s.outputs = map[string]string{}
	for _, o := range found.Outputs {
		s.outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}
	return nil
}

// whole refuses a stack that is not, or may soon not be, as its template says.
func (s *Stack) whole(status types.StackStatus) error {
	text := string(status)
	switch {
	case strings.HasSuffix(text, "_CLEANUP_IN_PROGRESS"): // only what was replaced is still being removed
		return nil
	case status == types.StackStatusReviewInProgress:
		return fmt.Errorf("the stack %s was never made, it waits for its first change set: deploy it with sam deploy", s.name)
	case strings.HasSuffix(text, "_IN_PROGRESS"):
		return fmt.Errorf("the stack %s is being changed just now (%s): try again when that is over", s.name, text)
	case slices.Contains(usable, status):
		return nil
	}
	return fmt.Errorf("the stack %s is not whole (%s): look at its events in the CloudFormation console, and deploy it again", s.name, text)
}

var usable = []types.StackStatus{
	types.StackStatusCreateComplete, types.StackStatusUpdateComplete, types.StackStatusUpdateRollbackComplete,
	types.StackStatusImportComplete, types.StackStatusImportRollbackComplete,
}

func (s *Stack) list(ctx context.Context, c *cloudformation.Client) error {
	s.resources = map[string]string{}
	pages := cloudformation.NewListStackResourcesPaginator(c, &cloudformation.ListStackResourcesInput{StackName: &s.name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return Explain(err)
		}
		for _, r := range page.StackResourceSummaries {
			if r.ResourceStatus != types.ResourceStatusDeleteComplete {
				s.resources[aws.ToString(r.LogicalResourceId)] = aws.ToString(r.PhysicalResourceId)
			}
		}
	}
	return nil
}

// Name returns the name of the stack.
func (s *Stack) Name() string { return s.name }

// AWS returns the configuration to make clients of: region, credentials, bounds.
func (s *Stack) AWS() aws.Config { return s.sdk }

// Output returns what the stack says under a name of the template's outputs.
func (s *Stack) Output(name string) (string, error) { return s.find(s.outputs, "output", name) }

// Resource returns the physical ID of a resource of the template: the URL of a queue, the
// ARN of a secret, the name of a table, function or policy.
func (s *Stack) Resource(logicalID string) (string, error) {
	return s.find(s.resources, "resource", logicalID)
}

// Function returns what to invoke for a function of the template: its alias, where the
// template makes one, since only there asynchronous invocations have their retries and
// their dead letters; else the function.
func (s *Stack) Function(logicalID string) (string, error) {
	if alias := s.resources[logicalID+"Alias"+Alias]; alias != "" {
		return alias, nil
	}
	return s.Resource(logicalID)
}

// Alias is the one that template.yaml publishes functions under.
const Alias = "live"

func (s *Stack) find(in map[string]string, kind, name string) (string, error) {
	if v := in[name]; v != "" {
		return v, nil
	}
	return "", fmt.Errorf("the stack %s has no %s %s: it is not Restock's, or of another version than this command", s.name, kind, name)
}

// Environ returns the environment variables of a function of the template, such as
// ReplenishFunction. None of them is secret: they name the secrets.
func (s *Stack) Environ(ctx context.Context, function string) (map[string]string, error) {
	name, err := s.Function(function)
	if err != nil {
		return nil, err
	}
	out, err := s.functions(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	switch {
	case err != nil:
		return nil, Explain(err)
	case out.Environment == nil:
		return map[string]string{}, nil
	case out.Environment.Error != nil: // the key that it is encrypted with can't be used
		return nil, fmt.Errorf("the variables of %s can't be read: AWS says %s", name, cmp.Or(aws.ToString(out.Environment.Error.ErrorCode), "nothing more"))
	}
	return out.Environment.Variables, nil
}
