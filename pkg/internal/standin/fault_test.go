package standin_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/restock-dev/restock/pkg/internal/standin"
)

type fault struct {
	name  string
	times int
}

func (f fault) Validate() error {
	if f.name == "" {
		return errors.New("it has no name")
	}
	return nil
}

func newFaults() *standin.Faults[fault] {
	return &standin.Faults[fault]{Times: func(f *fault) *int { return &f.times }}
}

func whichever(fault) bool { return true }

// What is scripted later comes later, and what a caller holds is the caller's.
func TestFaultsAreKeptApart(t *testing.T) {
	fs := newFaults()
	scripted := []fault{{name: "a"}, {name: "b", times: 2}}
	if err := errors.Join(fs.Script(scripted), fs.Script([]fault{{name: "c"}})); err != nil {
		t.Fatal(err)
	}
	if want := []fault{{name: "a"}, {name: "b", times: 2}}; !slices.Equal(scripted, want) {
		t.Errorf("Script has made %v of %v", scripted, want)
	}
	list := fs.List()
	list[0].name = "changed"
	var taken []string
	for range 5 {
		taken = append(taken, fs.Take(whichever).name)
	}
	if want := []string{"a", "b", "b", "c", ""}; !slices.Equal(taken, want) {
		t.Errorf("taken %q, want %q", taken, want)
	}
	if want := []fault{{"changed", 1}, {"b", 2}, {"c", 1}}; !slices.Equal(list, want) {
		t.Errorf("the list that was asked for before is %v, want %v", list, want)
	}
}

// Of faults of which one can't be none is taken.
func TestFaultsAreScriptedWhole(t *testing.T) {
	fs := newFaults()
	if err := fs.Script([]fault{{name: "a"}, {}}); err == nil || len(fs.List()) != 0 {
		t.Errorf("Script() = %v, and %v wait", err, fs.List())
	}
}
