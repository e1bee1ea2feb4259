package kv

import (
	"github.com/hearsaynet/hearsay/replica/model/internal/setting"
	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
)

const (
	// MaxKey bounds a key: 1024 bytes. It is part of the encoding.
	MaxKey = setting.MaxKey
	// DefaultWatchBuffer bounds the changes that wait for one slow watcher.
	DefaultWatchBuffer = watch.DefaultBuffer
	// MinMaxBytes is the least of Config.MaxBytes: the room of four updates of the largest
	// kind, so that no one of them empties a map.
	MinMaxBytes = 4 << 20

	// recordCost is what a record takes besides key and value, in bytes, in the table and
	// in the order that evicts; expiryCost, what more it takes if it expires.
	recordCost = 352
	expiryCost = 96
	// sweepBatch bounds the values that expire while writers wait.
	sweepBatch = 1024
)
