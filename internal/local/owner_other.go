//go:build !unix

package local

import "io/fs"

// ownedByUs is true where a temporary directory is the user's own anyway.
func ownedByUs(fs.FileInfo) bool { return true }

// private runs create. There is no umask here: who may reach what it makes, the directory
// says.
func private(create func()) { create() }
