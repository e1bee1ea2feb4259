//go:build !unix || solaris || aix

package store

import "os"

// abandon closes a file that bbolt has locked and mapped, and lost.
func abandon(f *os.File) error { return f.Close() }
