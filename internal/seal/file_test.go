package seal_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/restock-dev/restock/internal/seal"
)

func TestLoadFileMakesARing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "restock.db.keys")
	first, err := seal.LoadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != 0o600 && runtime.GOOS != "windows" {
		t.Errorf("mode = %v, want 0600", got)
	}
	second, err := seal.LoadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := second.Open(device, seal.FieldRefreshToken, sealed(t, first)); err != nil || got != canary {
		t.Errorf("Open() with the ring loaded again = %q, %v", got, err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("directory has %v, %v, want the ring alone", left, err)
	}
}

// Of processes that start at once, all get the same ring.
func TestLoadFileAtOnce(t *testing.T) {
	for range 20 {
		path := filepath.Join(t.TempDir(), "keys")
		rings := make([]*seal.Ring, 8)
		var wg sync.WaitGroup
		for i := range rings {
			wg.Go(func() {
				var err error
				if rings[i], err = seal.LoadFile(path); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		text := sealed(t, rings[0])
		for _, r := range rings[1:] {
			if got, err := r.Open(device, seal.FieldRefreshToken, text); err != nil || got != canary {
				t.Fatalf("Open() = %q, %v", got, err)
			}
		}
	}
}

func TestLoadFileRefuses(t *testing.T) {
	tests := []struct {
		name, text, want string
		mode             fs.FileMode
	}{
		{"readable by the group", oldRing, "open to others: make it private with chmod 600", 0o640},
		{"readable by all", oldRing, "open to others", 0o604},
		{"empty", "", "must be a JSON object", 0o600},
		{"damaged", oldRing[:30], "left as it is", 0o600},
		{"too large", oldRing + strings.Repeat(" ", 1<<20), "over 65536 bytes", 0o600},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if runtime.GOOS == "windows" && tt.mode != 0o600 {
				return // it has no such modes
			}
			path := filepath.Join(t.TempDir(), "keys")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, tt.mode); err != nil {
				t.Fatal(err)
			}
			_, err := seal.LoadFile(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("LoadFile() = %v, want an error with %q and the path", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("the error quotes the file: %v", err)
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, []byte(tt.text)) {
				t.Errorf("the file was changed: %q, %v", after, err)
			}
		})
	}
}

func TestLoadFileNowhere(t *testing.T) {
	dir := t.TempDir()
	if _, err := seal.LoadFile(dir); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("LoadFile(directory) = %v", err)
	}
	if _, err := seal.LoadFile(filepath.Join(dir, "none", "keys")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("LoadFile(in no directory) = %v, want fs.ErrNotExist", err)
	}
}
