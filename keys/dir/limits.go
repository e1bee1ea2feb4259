package dir

import "time"

const (
	// MaxFileSize bounds a key file, in bytes: an RSA-4096 key has 720 in base64,
	// the rest is for options and comments.
	MaxFileSize = 16 << 10

	// pollInterval is the pause between two looks at the directory. A change takes
	// effect within a second, the look itself included
	// (about 5 µs a file; BenchmarkLook).
	pollInterval = 300 * time.Millisecond

	// settled is the age from which a file's time tells that it has not changed
	// since. File systems keep times in steps of up to 2 s (FAT).
	settled = 2 * time.Second
)
