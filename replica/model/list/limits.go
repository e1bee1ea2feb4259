package list

import (
	"github.com/hearsaynet/hearsay/replica/model/internal/fraction"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

const (
	// MaxPosition bounds a position, in bytes. It is part of the encoding.
	MaxPosition = fraction.MaxKey
	// MaxOperations bounds the operations of a change, so that an index takes two bytes.
	// It is part of the encoding.
	MaxOperations = 1<<16 - 1
	// DefaultWatchBuffer bounds the changes that wait for one slow watcher.
	DefaultWatchBuffer = watch.DefaultBuffer

	// batch is how many bytes of operations go into one change, if one alone is not
	// more: a quarter of what replica.DefaultMaxChange allows.
	batch = 16 << 10
)
