package link

import "time"

// Part of the protocol: no configuration changes them.
const (
	// MaxLifetime bounds how far ahead a proof's not_after may lie. A stolen
	// certificate key is of use for no longer.
	MaxLifetime = 7 * 24 * time.Hour
	// ClockTolerance is how far two nodes' clocks may be apart when not_after is
	// compared, either way.
	ClockTolerance = 2 * time.Minute
)

// Our own certificates.
const (
	// lifetime stays a day below MaxLifetime, so that a node whose clock is ahead by
	// a day can still be linked to, and one that is behind by half of it too.
	lifetime = 6 * 24 * time.Hour
	// signTimeout bounds one signature by the node's key: a person may have to
	// confirm it (ssh-add -c).
	signTimeout = 2 * time.Minute
	// signRetry is how long a failed signature is not asked for again; a locked agent
	// would else be asked at every connection, whoever makes it.
	signRetry = 5 * time.Second
)

// Defaults of Config.
const (
	// DefaultHandshakeTimeout bounds connecting, and then the handshake. A handshake
	// takes 2 ms of work and two round trips.
	DefaultHandshakeTimeout = 10 * time.Second
	// DefaultMaxConns bounds accepted links. A link may cost a few MiB of buffers.
	DefaultMaxConns = 256
	// DefaultMaxHandshakes bounds handshakes that are under way on accepted connections.
	DefaultMaxHandshakes = 64
	// DefaultMaxPerPrefix bounds accepted links and handshakes of one address prefix.
	DefaultMaxPerPrefix = 16
	// DefaultAcceptRate bounds handshakes begun on accepted connections, per second:
	// at 2 ms each a flood gets a fifth of one core.
	DefaultAcceptRate = 100
)

const (
	// waitingPerHandshake times MaxHandshakes bounds the accepted connections that wait
	// for their turn, about 10 kB each: with the defaults the last waits for 2.6 s.
	waitingPerHandshake = 4
	// turnMemory is how long it counts that a prefix has had its turn.
	turnMemory = 10 * time.Second
	// prefixRate and prefixBurst bound the connections of one prefix, per second. An
	// honest node redials four times a second at most, and backs off.
	prefixRate  = 5
	prefixBurst = 32
	// maxPrefixes bounds the prefixes whose rate is remembered, about 300 bytes each.
	maxPrefixes = 4096

	// faultsForgiven faults of one prefix have no consequence, and one more every
	// faultEvery. One id alone does not exceed that where its own ban doubles from
	// a minute on, so it does not get its neighbours refused.
	faultsForgiven = 4
	faultEvery     = 2 * time.Minute
	// A prefix that exceeds it is refused for banFirst, doubled each time up to banMost,
	// until banMost has passed without another ban. Honest nodes may share it.
	banFirst = time.Minute
	banMost  = 15 * time.Minute
	// maxOffenders bounds the prefixes whose faults are remembered, about 500 bytes each.
	maxOffenders = 4096
	// maxTelling bounds the connections that are told at a time that they are banned.
	maxTelling = 16

	// closeGrace is how long a handler may go on after its context has ended.
	closeGrace = 2 * time.Second
	// lingerTimeout and lingerBytes bound the wait for a refused peer to read why:
	// closing with unread data would reset the connection and lose the alert.
	lingerTimeout = time.Second
	lingerBytes   = 64 << 10
)

// Dialing again.
const (
	retryFirst = 250 * time.Millisecond
	retryMost  = 30 * time.Second
	// A refusal rarely heals by itself: who answers there is another node, or no node.
	refusedFirst = 5 * time.Second
	refusedMost  = 2 * time.Minute
	// steadyAfter is how long a link must have lasted for the next retry to start
	// small again.
	steadyAfter = 10 * time.Second
	// restartEvery and restartBurst bound the links made at once by ErrRestart.
	restartEvery = time.Second
	restartBurst = 3
)
