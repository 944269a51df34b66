// Package durable writes small files whole or not at all: a file gets its name once it is on
// disk, and then keeps it through a power cut. Only its owner can read it.
package durable

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// Create makes the file at path.
//
// Errors: [io/fs.ErrExist] where there is one, which stays as it is.
func Create(path string, text []byte) error { return write(path, text, os.Link) }

// Replace makes the file at path, in place of one that is there.
func Replace(path string, text []byte) error { return write(path, text, os.Rename) }

func write(path string, text []byte, name func(from, to string) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // of which nothing is left where it was renamed
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := name(f.Name(), path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes a new name in dir last through a power cut.
func SyncDir(dir string) error {
	if runtime.GOOS == "windows" { // which does not open directories
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
