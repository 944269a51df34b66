package lwa

import (
	"regexp"
	"sync"
)

// pattern compiles expr when it is first asked for: most programs that import this package
// never see what it looks for, and every one of them would wait for it at its start.
func pattern(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
