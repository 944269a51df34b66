//go:build unix

package local

import (
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// ownedByUs reports whether a file belongs to the user of this process.
func ownedByUs(info fs.FileInfo) bool {
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Getuid()
}

var umask sync.Mutex

// private runs create, and what that makes is for this user alone. So is what other
// goroutines make meanwhile: the umask is the process's.
func private(create func()) {
	umask.Lock()
	defer umask.Unlock()
	before := syscall.Umask(0o077)
	defer syscall.Umask(before)
	create()
}
