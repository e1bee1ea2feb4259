package manifest

import (
	"time"

	"github.com/hearsaynet/hearsay/replica/model/internal/watch"
	"github.com/hearsaynet/hearsay/replica/wire"
)

const (
	// MaxChannel and MaxKind bound names, in bytes. They are part of the encoding.
	MaxChannel = wire.MaxChannel
	MaxKind    = 64
	// DefaultMaxMounts bounds the models that a list may have mounted: each takes memory
	// for all that anybody writes to its channel.
	DefaultMaxMounts = 64
	// DefaultWatchBuffer bounds the changes that wait for one slow watcher.
	DefaultWatchBuffer = watch.DefaultBuffer

	// retryAfter is how long a channel rests whose model could not be mounted.
	retryAfter = 30 * time.Second
	// restFactor is how long the list rests after it has been read, in multiples of what
	// that took: a tenth of the time at most goes into it, however long authors make it,
	// and half into mounting what it names.
	restFactor = 9
)
