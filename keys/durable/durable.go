// Package durable writes small files that are whole after a crash, or absent.
package durable

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"syscall"
)

// tempSuffix ends the name of a file that Replace has not finished.
const tempSuffix = ".tmp"

// Create writes a new file name in root, with perm less the umask, and flushes
// it; SyncDir must follow. The error wraps fs.ErrExist when there is something of
// that name, which stays as it is. After any other error there is no such file.
func Create(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, perm)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, root.Remove(name))
	}
	return nil
}

// Replace puts data under name in root, over what is there, durably on return. A
// reader sees the old file or the new one.
func Replace(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	if err := Put(root, name, data, perm); err != nil {
		return err
	}
	return SyncDir(root)
}

// Put is Replace for one of many files: SyncDir must follow.
func Put(root *os.Root, name string, data []byte, perm fs.FileMode) error {
	temp := "." + rand.Text() + tempSuffix
	if err := Create(root, temp, data, perm); err != nil {
		return err
	}
	if err := root.Rename(temp, name); err != nil {
		return errors.Join(err, root.Remove(temp))
	}
	return nil
}

// SyncDir flushes the names in root, so that files created, renamed and removed
// stay so after a crash.
func SyncDir(root *os.Root) error {
	if runtime.GOOS == "windows" { // it cannot flush a directory
		return nil
	}
	d, err := root.Open(".")
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) { // some network file systems
		err = nil
	}
	return errors.Join(err, d.Close())
}
