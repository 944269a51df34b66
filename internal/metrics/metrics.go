// Package metrics measures what alarms and people look at: [EMF] writes it for
// CloudWatch, [Memory] keeps it for the local stack.
//
// Both have Count(name, n, dimensions...), for what is added up, and Seconds(name, d,
// dimensions...), for a duration that is looked at as it is. Dimensions are pairs of key
// and value. CloudWatch keeps, and bills, one metric for each combination of values, so a
// dimension takes few: an outcome, a reason, an action. What names a device is never
// made a dimension, whoever asks for it.
package metrics

import (
	"math"
	"strings"
)

// Bounds of a dimension. CloudWatch takes 30 keys, and values of 1024 characters; an
// outcome needs a fraction of it.
const (
	maxDimensions = 8
	maxName       = 128 // bytes
	maxValue      = 64  // bytes
)

type dimension struct{ key, value string }

// pairs splits dimensions into those that may be one and those that may not: names of
// a device or of a person, and text that is too long to be one of a few values. An
// odd key at the end has the value "".
func pairs(keysAndValues []string) (good, rest []dimension) {
	for i := 0; i < len(keysAndValues); i += 2 {
		d := dimension{key: keysAndValues[i]}
		if i+1 < len(keysAndValues) {
			d.value = keysAndValues[i+1]
		}
		switch {
		case d.key == "":
		case d.value == "" || len(d.value) > maxValue || identifies(d) || len(good) == maxDimensions:
			rest = append(rest, d)
		default:
			good = append(good, d)
		}
	}
	return good, rest
}

func identifies(d dimension) bool {
	switch d.key {
	case "thing", "device", "device_model", "serial", "id", "instance_id", "customer", "customer_id", "client_id", "request_id", "trace_id":
		return true
	}
	return strings.Contains(d.value, "::") // a thing name under another key
}

func measurable(name string, n float64) bool {
	return name != "" && name != "function" && name != "_aws" && len(name) <= maxName && !math.IsNaN(n) && !math.IsInf(n, 0)
}
