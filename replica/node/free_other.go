//go:build !linux && !darwin

package node

// freeSpace does not know here.
func freeSpace(string) (uint64, bool) { return 0, false }
