package peerkv

import "github.com/hearsaynet/hearsay/replica/model/internal/watch"

const (
	// MaxKey bounds a key, in bytes. It is part of the encoding.
	MaxKey = 1024
	// DefaultWatchBuffer bounds the changes that wait for one slow watcher.
	DefaultWatchBuffer = watch.DefaultBuffer

	// sweepBatch bounds the expired values that one hold of the writer's lock takes away, so
	// that updates do not wait for long.
	sweepBatch = 1024
)
