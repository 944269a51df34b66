package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// The table of costs in deploy.md is what its formula makes of its prices and inputs.
func TestCost(t *testing.T) {
	text := read(t, "deploy.md")
	given := map[string]float64{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| ([0-9.]+) \\|").FindAllStringSubmatch(text, -1) {
		if _, twice := given[m[1]]; twice {
			t.Errorf("%s is given twice", m[1])
		}
		given[m[1]] = number(t, m[2])
	}
	formula := regexp.MustCompile("(?s)```formula\n(.*?)```").FindStringSubmatch(text)
	if formula == nil || len(given) < 20 {
		t.Fatalf("deploy.md has no formula, or only %d prices and inputs", len(given))
	}
	if n := alarmMetrics(t); float64(n) != given["alarm_metrics"] {
		t.Errorf("the alarms of the template look at %d metrics, not %v", n, given["alarm_metrics"])
	}
	if n := strings.Count(read(t, "../template.yaml"), "Type: AWS::CloudWatch::Dashboard\n"); n != 1 {
		t.Errorf("the template has %d dashboards, and the formula counts one", n)
	}
	used := map[string]bool{"awake": true, "always": true}
	all := rows(text, "devices | connected | policy")
	if len(all) < 6 {
		t.Errorf("the table has %d rows", len(all))
	}
	for _, row := range all {
		in := maps.Clone(given)
		in["devices"] = number(t, strings.ReplaceAll(row[0], ",", ""))
		in["minutes"] = map[string]float64{"now and then": given["awake"], "always": given["always"]}[row[1]]
		if row[2] == "on-use" {
			in["refreshes"] = given["presses"] + given["reports"]
		}
		calculate(t, formula[1], in, used)
		want := row[:3:3]
		for _, column := range []string{"orders", "status", "tokens", "connection", "table", "fixed", "total"} {
			want = append(want, money(in[column]))
		}
		if got, want := strings.Join(row, " | "), strings.Join(want, " | "); got != want {
			t.Errorf("the table has\n| %s |\nthe formula makes\n| %s |", got, want)
		}
	}
	for name := range given {
		if !used[name] {
			t.Errorf("%s is in no formula", name)
		}
	}
}

// alarmMetrics counts what CloudWatch bills of the template's alarms: each metric that one looks at.
func alarmMetrics(t *testing.T) (n int) {
	t.Helper()
	var tpl struct {
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				Metrics []map[string]any `yaml:"Metrics"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal([]byte(read(t, "../template.yaml")), &tpl); err != nil {
		t.Fatal(err)
	}
	for _, r := range tpl.Resources {
		if r.Type != "AWS::CloudWatch::Alarm" {
			continue
		}
		if len(r.Properties.Metrics) == 0 {
			n++
		}
		for _, m := range r.Properties.Metrics {
			if m["MetricStat"] != nil {
				n++
			}
		}
	}
	return n
}

// calculate adds to in what the lines of a formula say.
func calculate(t *testing.T, formula string, in map[string]float64, used map[string]bool) {
	t.Helper()
	for line := range strings.Lines(formula) {
		name, expression, _ := strings.Cut(strings.TrimSpace(line), " = ")
		e, err := parser.ParseExpr(expression)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		in[name] = evaluate(t, e, in, used)
	}
}

// evaluate does the arithmetic of an expression.
func evaluate(t *testing.T, e ast.Expr, in map[string]float64, used map[string]bool) float64 {
	t.Helper()
	switch e := e.(type) {
	case *ast.BasicLit:
		return number(t, e.Value)
	case *ast.ParenExpr:
		return evaluate(t, e.X, in, used)
	case *ast.Ident:
		v, ok := in[e.Name]
		if !ok {
			t.Fatalf("the formula uses %s, which is given nowhere", e.Name)
		}
		used[e.Name] = true
		return v
	case *ast.BinaryExpr:
		x, y := evaluate(t, e.X, in, used), evaluate(t, e.Y, in, used)
		switch e.Op {
		case token.ADD:
			return x + y
		case token.MUL:
			return x * y
		case token.QUO:
			return x / y
		}
	}
	t.Fatal("the formula has more than names, numbers, + * / and parentheses")
	return 0
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func number(t *testing.T, s string) float64 {
	t.Helper()
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// rows returns the cells of the table whose header begins so.
func rows(text, header string) (all [][]string) {
	_, table, _ := strings.Cut(text, "| "+header)
	for i, line := range strings.Split(table, "\n") {
		switch {
		case i < 2: // the rest of the header, and the rule below it
		case !strings.HasPrefix(line, "| "):
			return all
		default:
			all = append(all, strings.Split(strings.Trim(line, "| "), " | "))
		}
	}
	return all
}

// money writes dollars as the table does.
func money(n float64) string {
	if n < 100 {
		return fmt.Sprintf("%.2f", n)
	}
	s := fmt.Sprintf("%.0f", n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
