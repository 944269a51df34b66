// Package cfn reads template.yaml, so that tests take names, settings and policies from it
// instead of repeating them.
package cfn

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/restock-dev/restock/samtest/template"
)

// Object is a mapping. An intrinsic, such as !Ref x, is {"Ref": "x"}.
type Object = map[string]any

// Read reads the text of a template, with its intrinsics written out.
func Read(text []byte) (Object, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	if len(root.Content) != 1 {
		return nil, errors.New("the template is empty")
	}
	v, err := plain(root.Content[0])
	if err != nil {
		return nil, err
	}
	t, ok := v.(Object)
	if !ok {
		return nil, errors.New("the template is no mapping")
	}
	return t, nil
}

// plain turns a node into plain values, and a short tag into what it stands for.
func plain(n *yaml.Node) (any, error) {
	if name, ok := strings.CutPrefix(n.Tag, "!"); ok && !strings.HasPrefix(n.Tag, "!!") {
		untagged := *n
		untagged.Tag = map[yaml.Kind]string{yaml.ScalarNode: "!!str", yaml.SequenceNode: "!!seq", yaml.MappingNode: "!!map"}[n.Kind]
		v, err := plain(&untagged)
		if name != "Ref" && name != "Condition" {
			name = "Fn::" + name
		}
		return Object{name: v}, err
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := Object{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			v, err := plain(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[n.Content[i].Value] = v
		}
		return m, nil
	case yaml.SequenceNode:
		list := []any{}
		for _, c := range n.Content {
			v, err := plain(c)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.AliasNode:
		return nil, fmt.Errorf("line %d: CloudFormation knows no aliases", n.Line)
	default:
		var v any
		err := n.Decode(&v)
		return v, err
	}
}

// At follows a path of names into v; nil where it leads nowhere.
func At(v any, path ...string) any {
	for _, name := range path {
		m, ok := v.(Object)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// List returns v as a list: CloudFormation takes a single value for one in many places.
func List(v any) []any {
	switch v := v.(type) {
	case nil:
		return nil
	case []any:
		return v
	}
	return []any{v}
}

// Stack is a template deployed with some parameters; the others have their defaults. Its
// resources have their logical names as physical ones.
type Stack struct {
	template.Resolver
	globals Object
}

// Deployed returns the stack of the template.yaml of the repository that the working
// directory is in.
func Deployed(parameters map[string]string) (*Stack, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	for ; ; dir = filepath.Dir(dir) {
		text, err := os.ReadFile(filepath.Join(dir, "template.yaml"))
		if err == nil {
			return Parse(text, parameters)
		}
		if dir == filepath.Dir(dir) {
			return nil, errors.New("the working directory is not in the repository")
		}
	}
}

// Parse returns the stack of the text of a template.
func Parse(text []byte, parameters map[string]string) (*Stack, error) {
	read, err := Read(text)
	if err != nil {
		return nil, err
	}
	written, err := json.Marshal(read)
	if err != nil {
		return nil, err
	}
	t, err := template.Parse(written)
	if err != nil {
		return nil, err
	}
	values, err := t.Values(parameters)
	if err != nil {
		return nil, err
	}
	s := &Stack{Resolver: template.Resolver{Template: t, StackName: "restock", Values: values, Attributes: map[string]map[string]any{}}}
	s.globals, _ = At(read, "Globals", "Function").(Object)
	for name, r := range t.Resources {
		s.Attributes[name] = attributes(name, r.Type)
	}
	return s, nil
}

// arns are what follows the account in the ARN of a resource, after its service.
var arns = map[string]string{
	"AWS::DynamoDB::Table":        "dynamodb:table/",
	"AWS::SQS::Queue":             "sqs:",
	"AWS::SecretsManager::Secret": "secretsmanager:secret:",
	"AWS::SNS::Topic":             "sns:",
	"AWS::Logs::LogGroup":         "logs:log-group:",
	"AWS::Serverless::Function":   "lambda:function:",
	"AWS::KMS::Key":               "kms:key/",
	"AWS::IoT::TopicRule":         "iot:rule/",
}

// attributes returns what references to a resource give.
func attributes(name, kind string) map[string]any {
	given := map[string]any{"": name}
	if kind == "AWS::IAM::Role" {
		given["Arn"] = "arn:aws:iam::" + template.Account + ":role/" + name
	}
	service, rest, ok := strings.Cut(arns[kind], ":")
	if !ok {
		return given
	}
	arn := "arn:aws:" + service + ":" + template.Region + ":" + template.Account + ":" + rest + name
	switch kind {
	case "AWS::SQS::Queue":
		given[""] = "https://sqs." + template.Region + ".amazonaws.com/" + template.Account + "/" + name
	case "AWS::SecretsManager::Secret":
		arn += "-AbCdEf"
		given[""] = arn
	case "AWS::SNS::Topic":
		given[""] = arn
	case "AWS::Logs::LogGroup":
		arn += ":*"
	}
	given["Arn"] = arn
	return given
}

// Function returns the properties of a function, resolved, with those of Globals for what
// it does not say itself; the variables of both are its environment.
func (s *Stack) Function(name string) (Object, error) {
	r := s.Template.Resources[name]
	if r.Type != "AWS::Serverless::Function" {
		return nil, fmt.Errorf("there is no function %s", name)
	}
	all, variables := Object{}, Object{}
	for _, from := range []Object{s.globals, r.Properties} {
		for member, v := range from {
			all[member] = v
		}
		own, _ := At(from, "Environment", "Variables").(Object)
		for variable, v := range own {
			variables[variable] = v
		}
	}
	all["Environment"] = Object{"Variables": variables}
	resolved, err := s.Resolve(all)
	if err != nil {
		return nil, fmt.Errorf("function %s: %w", name, err)
	}
	return resolved.(Object), nil
}

// Environ returns the environment of a function.
func (s *Stack) Environ(function string) (map[string]string, error) {
	f, err := s.Function(function)
	if err != nil {
		return nil, err
	}
	environ := map[string]string{}
	for name, v := range At(f, "Environment", "Variables").(Object) {
		environ[name] = fmt.Sprint(v)
	}
	return environ, nil
}
