//go:build unix && !solaris && !aix

package store

import (
	"os"
	"syscall"
)

// abandon closes a file that bbolt has locked and mapped, and lost. Closing it alone
// would not unlock it while it is mapped.
func abandon(f *os.File) error {
	_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
	return f.Close()
}
