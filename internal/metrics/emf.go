package metrics

import (
	"encoding/json"
	"io"
	"os"
	"sync"
	"time"
)

// Namespace is where CloudWatch shows the metrics.
const Namespace = "Restock"

// Units, as CloudWatch names them.
const (
	unitCount   = "Count"
	unitSeconds = "Seconds"
)

// EMF writes each metric as one line in CloudWatch's embedded metric format. It is
// safe for concurrent use.
//
// Source: docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
type EMF struct {
	Function string    // of the first dimension, "function"
	Writer   io.Writer // nil: standard output, which Lambda hands to CloudWatch
	Now      func() time.Time

	mu sync.Mutex
}

type directive struct {
	Namespace  string
	Dimensions [][]string // an array of arrays, also where there is one set
	Metrics    []metric
}

type metric struct{ Name, Unit string }

type metadata struct {
	Timestamp         int64 // milliseconds since 1970
	CloudWatchMetrics []directive
}

// Count writes one line; CloudWatch adds up the counts of a minute. What may not be a
// dimension is written beside the dimensions, where a search in the log finds it.
func (e *EMF) Count(name string, n float64, dimensions ...string) {
	e.metric(name, unitCount, n, dimensions)
}

// Seconds writes one line about a duration. CloudWatch keeps the longest of a minute,
// beside the shortest and the mean.
func (e *EMF) Seconds(name string, d time.Duration, dimensions ...string) {
	e.metric(name, unitSeconds, d.Seconds(), dimensions)
}

func (e *EMF) metric(name, unit string, n float64, dimensions []string) {
	if !measurable(name, n) {
		return
	}
	good, rest := pairs(dimensions)
	line := map[string]any{"function": e.Function, name: n}
	keys := []string{"function"}
	for _, d := range good {
		if _, taken := line[d.key]; !taken && d.key != "_aws" {
			line[d.key] = d.value
			keys = append(keys, d.key)
		}
	}
	for _, d := range rest {
		if _, taken := line[d.key]; !taken {
			line[d.key] = d.value
		}
	}
	line["_aws"] = metadata{
		Timestamp:         e.now().UnixMilli(),
		CloudWatchMetrics: []directive{{Namespace, [][]string{keys}, []metric{{name, unit}}}},
	}
	e.write(line)
}

func (e *EMF) write(line map[string]any) {
	text, err := json.Marshal(line)
	if err != nil {
		return // can't be: strings and a finite number
	}
	var w io.Writer = os.Stdout
	if e.Writer != nil {
		w = e.Writer
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, _ = w.Write(append(text, '\n')) // a count that is lost must not fail a press
}

func (e *EMF) now() time.Time {
	if e.Now != nil {
		return e.Now()
	}
	return time.Now()
}
