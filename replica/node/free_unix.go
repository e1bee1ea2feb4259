//go:build linux || darwin

package node

import "syscall"

// freeSpace returns the bytes that are free for this user where path is.
func freeSpace(path string) (uint64, bool) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(path, &st); err != nil {
		return 0, false
	}
	return uint64(st.Bavail) * uint64(st.Bsize), true
}
