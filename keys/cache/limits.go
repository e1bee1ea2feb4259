package cache

import "time"

// Defaults of Config.
const (
	defaultFresh    = time.Minute
	defaultOutage   = 24 * time.Hour
	defaultNegative = 5 * time.Second
	defaultTimeout  = 30 * time.Second
	defaultMax      = 1 << 16 // some 40 MB of RSA keys
)

const (
	// maxBatch is how many ids go into one request.
	maxBatch = 256
	// maxRequests is how many requests are on their way at the same time. A keystore
	// that is no keys.Batcher is asked for one id a request.
	maxRequests = 16
	// linger is how long a request waits for more ids to go with it, if they can.
	linger = 2 * time.Millisecond
	// askAgain is the pause between two requests for an id that has an answer.
	askAgain = time.Second
	// maxCalls bounds the ids that are asked for or about to be.
	maxCalls = 1 << 14
	// maxUnknown bounds the ids that are known not to be admitted: they cost nothing to make.
	maxUnknown = 1 << 14
)
