package feed

import "github.com/hearsaynet/hearsay/replica/model/internal/watch"

const (
	// Overhead is what a push takes besides the item, in bytes.
	Overhead = 1
	// DefaultWatchBuffer bounds the changes that wait for one slow watcher.
	DefaultWatchBuffer = watch.DefaultBuffer
)
