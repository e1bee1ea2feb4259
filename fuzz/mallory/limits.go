package mallory

import "time"

// What a Relay holds.
const (
	// maxLinks bounds the links that it accepts at a time. Each has another one upstream,
	// and holds up to two frames of 1 MiB.
	maxLinks = 16
	// maxKnown bounds the authors that it remembers, under 1 kB each.
	maxKnown = 4096
	// maxRecord bounds what it records of one peer's frames, in bytes.
	maxRecord = 4 << 20
	// maxHeld bounds the frames that an attack holds back to send them in another order.
	maxHeld = 8
)

// How much of each. Every one is for a link, and sent as fast as the other side reads.
const (
	floodAuthors     = 1000
	floodUpdates     = 20_000
	floodDigests     = 20_000
	floodLookups     = 1000
	floodConnections = 1000 // for a Relay, all at a time
	floodIDs         = 16   // for a Relay, one after another
	crowdFrames      = 71   // a million authors in digests
	chaffFrames      = 64   // of 1 MiB
)

const (
	// oneIn is how often an attack that picks frames picks one.
	oneIn = 4
	// idleAfter is how long no frame comes before what is held back goes on.
	idleAfter = 50 * time.Millisecond
	// delayMost is the longest that a frame is held up.
	delayMost = 200 * time.Millisecond
	// slowPause is what a slow reader waits after each frame, dripPause a slow writer
	// after each byte.
	slowPause = time.Second
	dripPause = 100 * time.Millisecond
	// hostileTimeout bounds a handshake that is not meant to succeed.
	hostileTimeout = 10 * time.Second
	// knockAgain is how long it waits for an upstream that does not listen yet.
	knockAgain = time.Second
)
