package durable_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/restock-dev/restock/internal/durable"
)

func TestFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, step := range []struct {
		name string
		do   func(string, []byte) error
		text string
		want string
		err  error
	}{
		{"created", durable.Create, "first", "first", nil},
		{"created again", durable.Create, "second", "first", fs.ErrExist},
		{"replaced", durable.Replace, "third", "third", nil},
	} {
		if err := step.do(path, []byte(step.text)); !errors.Is(err, step.err) {
			t.Errorf("%s: error = %v, want %v", step.name, err, step.err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != step.want {
			t.Errorf("%s: the file is %q, %v, want %q", step.name, text, err, step.want)
		}
		info, err := os.Stat(path)
		if err != nil || runtime.GOOS != "windows" && info.Mode() != 0o600 {
			t.Errorf("%s: the file is open to others: %v, %v", step.name, info.Mode(), err)
		}
		if all, err := os.ReadDir(filepath.Dir(path)); err != nil || len(all) != 1 {
			t.Errorf("%s: the folder holds %v, %v, want the file alone", step.name, all, err)
		}
	}
}

func TestNoFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "none", "file")
	if err := durable.Replace(path, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error = %v, want fs.ErrNotExist", err)
	}
}
