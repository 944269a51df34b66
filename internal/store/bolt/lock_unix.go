//go:build unix && !solaris && !aix

package bolt

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

const lockRetry = 20 * time.Millisecond

// lock takes the lock that bbolt takes, on the same open file, where bbolt will find
// that it has it. It tries until o.LockWait is over.
func lock(f *os.File, o Options) error {
	for end := time.Now().Add(o.LockWait); ; {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, syscall.EWOULDBLOCK):
			return fmt.Errorf("locking %s: %w", f.Name(), err)
		case !time.Now().Before(end):
			return inUse(f.Name(), owner(f))
		}
		select {
		case <-o.Stop:
			return inUse(f.Name(), owner(f))
		case <-time.After(lockRetry):
		}
	}
}

// owner says who has the lock, as far as the system tells: Linux does.
func owner(f *os.File) string {
	const unknown = "another process"
	info, err := f.Stat()
	if err != nil {
		return unknown
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	locks, err := os.Open("/proc/locks")
	if err != nil || !ok {
		return unknown
	}
	defer locks.Close()
	inode := fmt.Sprintf(":%d", stat.Ino)
	for lines := bufio.NewScanner(locks); lines.Scan(); {
		// 1: FLOCK  ADVISORY  WRITE 4242 fe:00:131093 0 EOF; see proc_locks(5)
		fields := strings.Fields(lines.Text())
		if len(fields) == 8 && fields[1] == "FLOCK" && strings.HasSuffix(fields[5], inode) && fields[4] != "0" {
			return "process " + fields[4]
		}
	}
	return unknown
}
