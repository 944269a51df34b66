package template

import (
	"fmt"
	"regexp"
	"strings"
)

// Pseudo parameters of the stacks that are resolved.
const (
	Account = "123456789012"
	Region  = "us-east-1"
)

// Resolver evaluates a template's intrinsic functions for one stack.
type Resolver struct {
	Template  *Template
	StackName string
	Values    map[string]any // of the parameters; see [Template.Values]
	// Attributes are what the resources of the stack are: by logical name, then by
	// attribute, "" for what Ref gives.
	Attributes map[string]map[string]any
}

// noValue takes the member or element away that it stands for.
type noValue struct{}

// Resolve returns a value with all intrinsic functions evaluated.
//
// Errors: one that names the reference that nothing is known for.
func (r *Resolver) Resolve(v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		if name, argument, ok := intrinsic(v); ok {
			return r.call(name, argument)
		}
		return r.object(v)
	case []any:
		return r.list(v)
	}
	return v, nil
}

// intrinsic returns the function that an object of one member calls.
func intrinsic(v map[string]any) (name string, argument any, ok bool) {
	if len(v) != 1 {
		return "", nil, false
	}
	for name, argument := range v {
		// A policy's statement may have a Condition, which is an object.
		_, named := argument.(string)
		if name == "Ref" || name == "Condition" && named || strings.HasPrefix(name, "Fn::") {
			return name, argument, true
		}
	}
	return "", nil, false
}

func (r *Resolver) object(v map[string]any) (any, error) {
	resolved := make(map[string]any, len(v))
	for name, member := range v {
		value, err := r.Resolve(member)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if _, gone := value.(noValue); !gone {
			resolved[name] = value
		}
	}
	return resolved, nil
}

func (r *Resolver) list(v []any) (any, error) {
	resolved := make([]any, 0, len(v))
	for _, element := range v {
		value, err := r.Resolve(element)
		if err != nil {
			return nil, err
		}
		if _, gone := value.(noValue); !gone {
			resolved = append(resolved, value)
		}
	}
	return resolved, nil
}

// ref returns what a reference to a parameter or a resource gives.
func (r *Resolver) ref(name string) (any, error) {
	switch name {
	case "AWS::AccountId":
		return Account, nil
	case "AWS::Region":
		return Region, nil
	case "AWS::Partition":
		return "aws", nil
	case "AWS::URLSuffix":
		return "amazonaws.com", nil
	case "AWS::StackName":
		return r.StackName, nil
	case "AWS::StackId":
		return "arn:aws:cloudformation:" + Region + ":" + Account + ":stack/" + r.StackName + "/1", nil
	case "AWS::NoValue":
		return noValue{}, nil
	}
	if value, ok := r.Values[name]; ok {
		return value, nil
	}
	return r.attribute(name, "")
}

func (r *Resolver) attribute(resource, name string) (any, error) {
	if value, ok := r.Attributes[resource][name]; ok {
		return value, nil
	}
	kind := r.Template.Resources[resource].Type
	switch {
	case kind == "":
		return nil, fmt.Errorf("the reference to %s leads nowhere", resource)
	case name == "":
		return nil, fmt.Errorf("the reference to %s can't be resolved: it is not known what one to %s gives", resource, kind)
	}
	return nil, fmt.Errorf("the reference to %s.%s can't be resolved: it is not known what that of %s is", resource, name, kind)
}

var place = regexp.MustCompile(`\$\{(!?)([^}]+)\}`)

// fill fills the places in a text: ${Name}, ${Name.Attribute}, and ${!Literal}.
func (r *Resolver) fill(pattern string, own map[string]any) (any, error) {
	var failed error
	filled := place.ReplaceAllStringFunc(pattern, func(found string) string {
		m := place.FindStringSubmatch(found)
		if m[1] == "!" {
			return "${" + m[2] + "}"
		}
		value, err := r.named(strings.TrimSpace(m[2]), own)
		if err != nil {
			failed = err
		}
		return text(value)
	})
	return filled, failed
}

func (r *Resolver) named(name string, own map[string]any) (any, error) {
	if value, ok := own[name]; ok {
		return r.Resolve(value)
	}
	if resource, attribute, ok := strings.Cut(name, "."); ok {
		return r.attribute(resource, attribute)
	}
	return r.ref(name)
}

// text is a value as it is put into a text.
func text(v any) string {
	if f, ok := v.(float64); ok {
		return fmt.Sprintf("%.0f", f)
	}
	return fmt.Sprint(v)
}
