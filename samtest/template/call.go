package template

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// call evaluates an intrinsic function.
func (r *Resolver) call(name string, argument any) (any, error) {
	switch name {
	case "Ref":
		return r.ref(fmt.Sprint(argument))
	case "Condition":
		return r.Condition(fmt.Sprint(argument))
	case "Fn::GetAtt":
		return r.getAtt(argument)
	case "Fn::If": // of whose values one is not looked at
		return r.choose(argument)
	case "Fn::Sub":
		return r.substitute(argument)
	}
	value, err := r.Resolve(argument)
	if err != nil {
		return nil, err
	}
	if name == "Fn::Base64" {
		return base64.StdEncoding.EncodeToString([]byte(text(value))), nil
	}
	list, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("%s needs a list", name)
	}
	return r.apply(name, list)
}

// apply evaluates a function of values.
func (r *Resolver) apply(name string, list []any) (any, error) {
	switch {
	case name == "Fn::Equals" && len(list) == 2:
		return text(list[0]) == text(list[1]), nil
	case name == "Fn::Not" && len(list) == 1:
		return list[0] != true, nil
	case name == "Fn::And":
		return !slices.ContainsFunc(list, func(met any) bool { return met != true }), nil
	case name == "Fn::Or":
		return slices.Contains(list, any(true)), nil
	case name == "Fn::Join" && len(list) == 2:
		return join(text(list[0]), list[1])
	case name == "Fn::Split" && len(list) == 2:
		var parts []any
		for part := range strings.SplitSeq(text(list[1]), text(list[0])) {
			parts = append(parts, part)
		}
		return parts, nil
	case name == "Fn::Select" && len(list) == 2:
		return pick(list[0], list[1])
	case name == "Fn::FindInMap" && len(list) == 3:
		return r.find(text(list[0]), text(list[1]), text(list[2]))
	}
	return nil, fmt.Errorf("%s with %d arguments is not understood", name, len(list))
}

// Condition says whether a condition is met; "" is.
func (r *Resolver) Condition(name string) (bool, error) {
	if name == "" {
		return true, nil
	}
	condition, ok := r.Template.Conditions[name]
	if !ok {
		return false, fmt.Errorf("there is no condition %s", name)
	}
	met, err := r.Resolve(condition)
	return met == true, err
}

func (r *Resolver) getAtt(argument any) (any, error) {
	switch a := argument.(type) {
	case string:
		resource, name, _ := strings.Cut(a, ".")
		return r.attribute(resource, name)
	case []any:
		if len(a) == 2 {
			return r.attribute(fmt.Sprint(a[0]), fmt.Sprint(a[1]))
		}
	}
	return nil, fmt.Errorf("Fn::GetAtt of %v is not understood", argument)
}

func (r *Resolver) choose(argument any) (any, error) {
	list, ok := argument.([]any)
	if !ok || len(list) != 3 {
		return nil, errors.New("Fn::If needs a condition and two values")
	}
	met, err := r.Condition(fmt.Sprint(list[0]))
	if err != nil {
		return nil, err
	}
	if met {
		return r.Resolve(list[1])
	}
	return r.Resolve(list[2])
}

func (r *Resolver) substitute(argument any) (any, error) {
	switch a := argument.(type) {
	case string:
		return r.fill(a, nil)
	case []any:
		if len(a) == 2 {
			pattern, ok := a[0].(string)
			own, also := a[1].(map[string]any)
			if ok && also {
				return r.fill(pattern, own)
			}
		}
	}
	return nil, fmt.Errorf("Fn::Sub of %v is not understood", argument)
}

func join(by string, v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, errors.New("Fn::Join needs a list to join")
	}
	parts := make([]string, len(list))
	for i, part := range list {
		parts[i] = text(part)
	}
	return strings.Join(parts, by), nil
}

func pick(index, v any) (any, error) {
	i, err := strconv.Atoi(text(index))
	list, ok := v.([]any)
	if err != nil || !ok || i < 0 || i >= len(list) {
		return nil, fmt.Errorf("Fn::Select has no element %v", index)
	}
	return list[i], nil
}

func (r *Resolver) find(name, first, second string) (any, error) {
	rows, _ := r.Template.Mappings[name].(map[string]any) // nil has no members
	row, _ := rows[first].(map[string]any)
	value, ok := row[second]
	if !ok {
		return nil, fmt.Errorf("mapping %s has nothing for %s and %s", name, first, second)
	}
	return value, nil
}
