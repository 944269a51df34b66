package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
)

// DefaultData returns the data file of a user who names none: restock/restock.db below
// $XDG_DATA_HOME or ~/.local/share, ~/Library/Application Support on a Mac, and
// %LocalAppData% on Windows.
func DefaultData() (string, error) {
	base := os.Getenv("XDG_DATA_HOME")
	if runtime.GOOS == "windows" {
		base = os.Getenv("LocalAppData")
	}
	if !filepath.IsAbs(base) { // the XDG specification wants a relative one ignored
		home, err := os.UserHomeDir()
		if err != nil {
			return "", errors.New("this user has no home directory; name the data file with --data")
		}
		base = filepath.Join(home, ".local", "share")
		if runtime.GOOS == "darwin" {
			base = filepath.Join(home, "Library", "Application Support")
		}
	}
	return filepath.Join(base, "restock", "restock.db"), nil
}

// RingPath is the key ring beside a data file, readable by its owner alone.
func RingPath(data string) string { return data + ".keys" }

// GrantsPath is the file of sign-ins from a terminal beside a data file.
func GrantsPath(data string) string { return data + ".grants" }

// maxSocketPath is the shortest limit there is for the path of a unix socket, that of
// macOS: 104 bytes with its zero byte.
const maxSocketPath = 103

// socketPath is where a process that owns a data file can be asked: beside the file,
// or, where that path is too long for a socket, in a directory of this user's below
// the system's temporary one.
func socketPath(data string) (string, error) {
	abs, err := filepath.Abs(data)
	if err != nil {
		return "", fmt.Errorf("finding %s: %w", data, err)
	}
	if p := abs + ".sock"; len(p) <= maxSocketPath {
		return p, nil
	}
	sum := sha256.Sum256([]byte(abs))
	dir := filepath.Join(os.TempDir(), "restock-"+strconv.Itoa(os.Getuid()))
	if err := privateDir(dir); err != nil {
		return "", err
	}
	return filepath.Join(dir, hex.EncodeToString(sum[:8])+".sock"), nil
}

// privateDir makes a directory for this user alone, and refuses one that is not: the
// temporary directory is everybody's, and a name in it may have been taken.
func privateDir(dir string) error {
	err := os.Mkdir(dir, 0o700)
	if err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("making %s: %w", dir, err)
	}
	info, err := os.Lstat(dir)
	switch {
	case err != nil:
		return fmt.Errorf("looking at %s: %w", dir, err)
	case !info.IsDir() || runtime.GOOS != "windows" && (info.Mode().Perm() != 0o700 || !ownedByUs(info)):
		return fmt.Errorf("%s is not a directory of this user alone; remove it, or choose a shorter path with --data", dir)
	}
	return nil
}
