package kv

import "github.com/hearsaynet/hearsay/replica/model/internal/watch"

const (
	// MaxKey bounds a key, in bytes. It is part of the encoding.
	MaxKey = 1024
	// DefaultWatchBuffer bounds the changes that wait for one slow watcher.
	DefaultWatchBuffer = watch.DefaultBuffer
)
