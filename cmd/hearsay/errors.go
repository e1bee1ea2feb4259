package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// errQuiet is the error of a command that has said on its own what is wrong.
var errQuiet = errors.New("failed")

// failure is an error of a command that was called as it should be. What Execute
// returns without it is about the call.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// usageError is about the call, though found by the command itself.
type usageError struct{ msg, hint string }

func (u *usageError) Error() string { return u.msg }

func usagef(format string, args ...any) error {
	return &usageError{msg: fmt.Sprintf(format, args...)}
}

// hinted is an error with advice.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

func withHint(err error, format string, args ...any) error {
	return &hinted{err, fmt.Sprintf(format, args...)}
}

var packages = []string{"node", "verify", "keygen", "sign", "sign/agent", "keys", "keys/cache", "keys/dir", "keys/allowed", "keys/remote", "keys/roster", "keys/bundle", "keys/server", "replica", "wire", "store", "link", "models", "kv", "events", "value", "peerkv", "list", "text", "doc", "object", "feed", "manifest", "archive", "mount", "mallory", "session", "bridge", "scuttlebutt"}

// withoutPackage drops the names of packages in front of a message, and of those that it
// wraps: they mean nothing to who runs the command. What is behind the last colon stays.
func withoutPackage(msg string) string {
	lines := strings.Split(msg, "\n")
	for i, line := range lines {
		parts := strings.Split(line, ": ")
		last := len(parts) - 1
		kept := slices.DeleteFunc(parts[:last:last], func(s string) bool { return slices.Contains(packages, s) })
		lines[i] = strings.Join(append(kept, parts[last]), ": ")
	}
	return strings.Join(lines, "\n")
}
