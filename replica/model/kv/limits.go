package kv

const (
	// MaxKey bounds a key, in bytes. It is part of the encoding.
	MaxKey = 1024
	// DefaultWatchBuffer bounds the changes that wait for one slow watcher.
	DefaultWatchBuffer = 1024

	// shards bounds what a writer copies while somebody lists the map: a 256th of it.
	shards = 256
)
