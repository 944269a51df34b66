package seal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/restock-dev/restock/internal/durable"
)

// LoadFile reads the key ring at path. Where there is no file it makes one with a new
// ring, which only its owner may read. A file that others may read, or that holds no
// key ring, is refused and left as it is: what it sealed could never be opened again.
func LoadFile(path string) (*Ring, error) {
	r, err := readFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return r, err
	}
	text, err := Generate()
	if err != nil {
		return nil, err
	}
	if err := durable.Create(path, text); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("making key ring %s: %w", path, err)
	}
	return readFile(path) // ours, or that of a process that was faster
}

func readFile(path string) (*Ring, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening key ring: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading key ring %s: %w", path, err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("key ring %s is not a file: name another place for the data file", path)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0: // Windows has no such bits
		return nil, fmt.Errorf("key ring %s is open to others: make it private with chmod 600", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxRing+1))
	if err != nil {
		return nil, fmt.Errorf("reading key ring %s: %w", path, err)
	}
	r, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("reading key ring %s (left as it is; restore it from a copy): %w", path, err)
	}
	return r, nil
}
