package doc

import "github.com/hearsaynet/hearsay/replica/model/internal/watch"

const (
	// MaxRow bounds the name of a row, in bytes. It is part of the encoding.
	MaxRow = 255
	// MaxField bounds the name of a field, in bytes. It is part of the encoding.
	MaxField = 255
	// MaxDepth bounds how deep arrays and objects stand in each other in a value, so that
	// whoever reads it may recurse. It is part of the encoding.
	MaxDepth = 64
	// MaxMatch bounds the values that Where finds, in bytes of JSON: it reads each once, and
	// keeps what it has read.
	MaxMatch = 1024
	// DefaultWatchBuffer bounds the changes that wait for one slow watcher.
	DefaultWatchBuffer = watch.DefaultBuffer
)
