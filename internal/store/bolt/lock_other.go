//go:build !unix || solaris || aix

package bolt

import (
	"os"
	"time"
)

// lock leaves it to bbolt: its locks on these systems can't be taken twice.
func lock(*os.File, time.Duration) error { return nil }
