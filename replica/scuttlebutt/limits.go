package scuttlebutt

import "time"

const (
	// MaxLine bounds a line, in bytes: an update, or a header with its clock. The
	// original knows no limit, so a longer line of its ends the session.
	MaxLine = 1 << 20
	// MaxSource bounds a source's name, in bytes. The original's own are 42 at most.
	MaxSource = 256
	// MaxMeta bounds SyncConfig.Meta, in bytes.
	MaxMeta = 4096
	// maxClock bounds what all sources take in a header, in bytes, so that our own
	// header is a line: 20,000 sources and more. There is always room for our own.
	maxClock = MaxLine - 64<<10
	// clockEntry is what a source takes in a header beside its name: its timestamp, which
	// has 25 bytes at most, and punctuation.
	clockEntry = 32
)

// Defaults of Config and SyncConfig.
const (
	DefaultMaxSkew          = 2 * time.Minute
	DefaultMaxUpdates       = 1 << 20
	DefaultMaxBytes         = 256 << 20
	DefaultHandshakeTimeout = 30 * time.Second
	DefaultStallTimeout     = time.Minute
)

const (
	// maxInFlight and maxInFlightBytes bound the updates of one session that have no
	// verdict yet. Beyond them nothing more is read of it.
	maxInFlight      = 1024
	maxInFlightBytes = 8 << 20
	// maxMuted bounds the sources of which one session takes nothing more. A peer with
	// more than these sends noise.
	maxMuted = 4096
	// maxRefusals is how many refusals are remembered.
	maxRefusals = 256
	// chunk is how much is read at a time and written at a time, in bytes.
	chunk = 64 << 10
	// batch is how many updates are taken or handed out under one lock.
	batch = 256
	// verifyTimeout is how long Security.Verify may take until it counts as Unavailable.
	verifyTimeout = 10 * time.Second
	// retryFirst and retryMost bound the pauses before Security.Verify is asked again.
	retryFirst = 100 * time.Millisecond
	retryMost  = 30 * time.Second
	// lingerTimeout is how long a peer may take to end its side of a session after us.
	lingerTimeout = 5 * time.Second
	// renewAfter is how long a session lasts at least that ends to ask again for what
	// was refused.
	renewAfter = 30 * time.Second
)
