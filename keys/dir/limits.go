package dir

import "time"

const (
	// MaxFileSize bounds a file of keys, in bytes: 1,300 lines with an RSA-4096 key. One
	// key has at most keys.MaxFileSize, its options and comment included.
	MaxFileSize = 1 << 20

	// maxLineProblems bounds what is said of the lines of one file.
	maxLineProblems = 10

	// pollInterval is the pause between two looks at the directory. A change takes
	// effect within a second, the look itself included
	// (about 5 µs a file; BenchmarkLook).
	pollInterval = 300 * time.Millisecond
)
