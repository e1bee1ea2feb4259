package peerkv

import (
	"github.com/hearsaynet/hearsay/replica/model/internal/setting"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

const (
	// MaxKey bounds a key: 1024 bytes. It is part of the encoding.
	MaxKey = setting.MaxKey
	// DefaultWatchBuffer bounds the changes that wait for one slow watcher.
	DefaultWatchBuffer = watch.DefaultBuffer

	// sweepBatch bounds the expired values that one hold of the writer's lock takes away, so
	// that updates do not wait for long.
	sweepBatch = 1024
)
