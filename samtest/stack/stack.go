package stack

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/restock-dev/restock/internal/awsproxy"
	"github.com/restock-dev/restock/internal/store/dynamo"
	"github.com/restock-dev/restock/samtest/template"
)

// Stack is a deployment. Its clients reach the services directly, not through the proxy.
type Stack struct {
	Name     string
	Resolver *template.Resolver // of the translated template; knows every resource
	Environ  map[string]map[string]string
	Table    string
	Store    *dynamo.Store
	DynamoDB *dynamodb.Client
	SQS      *sqs.Client
	Secrets  *secretsmanager.Client
	Proxy    *awsproxy.Client // before all of AWS; a caller is a function's logical name
	Amazon   *Amazon

	host       *Host
	parameters map[string]string
	client     Client
}

// Deploy makes a stack with these parameters, whose LWA client the sandbox knows, with its
// redirect URL and the further ones. The parameters for the architecture and for the
// addresses of Amazon's services are set where they are not given.
func (h *Host) Deploy(ctx context.Context, name string, parameters map[string]string, redirectURLs ...string) (*Stack, error) {
	s := &Stack{Name: name, host: h, parameters: map[string]string{
		"Architecture": architecture(), "LwaApiUrl": "http://amazon-" + name + ":8080", "DrsUrl": "http://amazon-" + name + ":8080",
	}}
	s.client = Client{RedirectURLs: redirectURLs}
	h.say("deploying %s", name)
	if err := s.start(ctx); err != nil {
		return nil, fmt.Errorf("deploying %s: %w", name, err)
	}
	s.parameters["LwaAuthorizeUrl"] = s.Amazon.URL + "/ap/oa" // a browser's, on this machine
	maps.Copy(s.parameters, parameters)
	for _, step := range []func(context.Context) error{s.translate, s.create, s.environ, s.register, s.Reset} {
		if err := step(ctx); err != nil {
			return nil, fmt.Errorf("deploying %s: %w", name, err)
		}
	}
	return s, nil
}

// overrides are the parameters as command line arguments.
func (s *Stack) overrides() []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(s.parameters)) {
		list = append(list, name+"="+s.parameters[name])
	}
	return list
}

func (s *Stack) translate(ctx context.Context) error {
	script := filepath.Join(s.host.options.Root, "samtest", "translate.py")
	text, err := command(ctx, nil, s.host.options.Python, append([]string{script, s.host.template()}, s.overrides()...)...)
	if err != nil {
		return err
	}
	translated, err := template.Parse([]byte(text))
	if err != nil {
		return err
	}
	values, err := translated.Values(s.parameters)
	s.Resolver = &template.Resolver{
		Template: translated, StackName: s.Name, Values: values, Attributes: map[string]map[string]any{},
	}
	return err
}

// template is the one that sam build has left.
func (h *Host) template() string { return filepath.Join(h.file("build"), "template.yaml") }

// start starts the stack's own services.
func (s *Stack) start(ctx context.Context) error {
	proxy, err := s.host.service(ctx, "aws-"+s.Name, "4566", "awsproxy", "-account", template.Account)
	if err != nil {
		return err
	}
	amazon, err := s.host.service(ctx, "amazon-"+s.Name, "8080", "amazon", "-names", "amazon-"+s.Name)
	if err != nil {
		return err
	}
	s.Proxy, s.Amazon = &awsproxy.Client{URL: proxy}, &Amazon{URL: amazon}
	s.DynamoDB = dynamodb.New(dynamodb.Options{Region: template.Region, BaseEndpoint: &s.host.dynamoURL, Credentials: testCredentials})
	s.SQS = sqs.New(sqs.Options{Region: template.Region, BaseEndpoint: &s.host.motoURL, Credentials: testCredentials})
	s.Secrets = secretsmanager.New(secretsmanager.Options{Region: template.Region, BaseEndpoint: &s.host.motoURL, Credentials: testCredentials})
	return nil
}

var testCredentials = aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("test", "test", ""))

// environ resolves the environment of each function. Only the addresses of AWS's services
// are others than those that are deployed.
func (s *Stack) environ(context.Context) error {
	s.Environ = map[string]map[string]string{}
	for _, name := range s.Resolver.Template.OfType("AWS::Lambda::Function") {
		resolved, err := s.Resolver.Resolve(s.Resolver.Template.Resources[name].Properties["Environment"])
		if err != nil {
			return fmt.Errorf("the environment of %s: %w", name, err)
		}
		environment, _ := resolved.(map[string]any) // nil: it has none
		variables, _ := environment["Variables"].(map[string]any)
		s.Environ[name] = map[string]string{}
		for variable, value := range variables {
			if strings.HasPrefix(variable, "AWS_ENDPOINT_URL_") {
				value = "http://aws-" + s.Name + ":4566"
			}
			s.Environ[name][variable] = fmt.Sprint(value)
		}
	}
	if len(s.Environ) == 0 {
		return errors.New("the template has no functions")
	}
	return nil
}

// register has Login with Amazon know the client that the functions are.
func (s *Stack) register(context.Context) error {
	s.client.ID, s.client.Secret = fmt.Sprint(s.Resolver.Values["LwaClientId"]), fmt.Sprint(s.Resolver.Values["LwaClientSecret"])
	own := s.Environ["CallbackFunction"]["RESTOCK_REDIRECT_URL"]
	if own == "" {
		return errors.New("CallbackFunction has no RESTOCK_REDIRECT_URL")
	}
	s.client.RedirectURLs = append([]string{own}, s.client.RedirectURLs...)
	return nil
}

// Reset empties the table, the queues and the sandbox, ends all faults, and forgets what
// was called.
func (s *Stack) Reset(ctx context.Context) error {
	if err := s.clearTable(ctx); err != nil {
		return err
	}
	if err := s.clearQueues(ctx); err != nil {
		return err
	}
	if err := s.Amazon.Reset(ctx, s.client); err != nil {
		return err
	}
	if err := s.Proxy.Heal(ctx); err != nil {
		return err
	}
	return s.Proxy.Clear(ctx)
}

// DynamoDBURL is where this machine reaches DynamoDB Local.
func (s *Stack) DynamoDBURL() string { return s.host.dynamoURL }

// Ref returns what Ref gives for a resource, such as a queue's URL; "" for one that is
// not known.
func (s *Stack) Ref(resource string) string {
	value, _ := s.Resolver.Attributes[resource][""].(string)
	return value
}

// ARN returns the ARN of a resource that is made by its own name; "" for one that is not
// known.
func (s *Stack) ARN(resource string) string {
	value, _ := s.Resolver.Attributes[resource]["Arn"].(string)
	return value
}

// writeFile puts a file of one invocation into the host's folder.
func (h *Host) writeFile(pattern string, text []byte) (string, error) {
	f, err := os.CreateTemp(h.dir, pattern)
	if err != nil {
		return "", err
	}
	if _, err := f.Write(text); err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}
