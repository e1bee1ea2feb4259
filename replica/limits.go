package replica

import (
	"time"

	"github.com/hearsaynet/hearsay/replica/wire"
)

const (
	// DefaultMaxSkew is how far ahead of our clock an update may be dated and still
	// take effect at once. Two minutes cover machines that run NTP at all.
	DefaultMaxSkew = 2 * time.Minute
	// DefaultMaxChange bounds the changes that LocalUpdate takes, in bytes. What
	// other authors may send is bounded by wire.MaxChange alone.
	DefaultMaxChange = 64 << 10
	// DefaultMaxAuthors bounds the authors of a topic that are admitted only because
	// their key hashes to their id: ids cost nothing.
	DefaultMaxAuthors = 10_000

	// DefaultHeadInterval is how often an author signs how far it has written.
	DefaultHeadInterval = 30 * time.Second

	// maxPending bounds the changes that wait for a signature: four full runs.
	maxPending      = 4 * 256
	maxPendingBytes = 8 << 20

	// A batch of verified runs is committed and applied together.
	maxBatchRuns  = 2048
	maxBatchBytes = 8 << 20

	// maxUnknown bounds the table of authors that were refused, maxRefusals the single
	// refusals of one origin, maxRefusalOrigins the origins of which any are remembered:
	// they answer Explain and decide nothing.
	maxUnknown        = 1024
	maxRefusals       = 128
	maxRefusalOrigins = 128
	// maxUnreadReason bounds what a model says of a change that it could not read, in bytes.
	maxUnreadReason = 300
	// maxDropped bounds the authors that are to be asked for again and of which nothing
	// is stored.
	maxDropped = 4096

	// maxParked bounds the parked updates that are known one by one, per author (32
	// bytes each). Later-dated ones are found again in the store when their time comes.
	maxParked = 1024

	// The newest runs are kept in memory, so that live traffic is not read back from
	// the store for every peer.
	maxRecentRuns  = 2048
	maxRecentBytes = 8 << 20

	// serveBytes is how much of one author is sent before the next one's turn.
	serveBytes = 256 << 10
	// maxControl bounds the frames other than runs that wait to be written; beyond, the
	// peer makes us answer faster than it reads.
	maxControl = 4096
	// maxOffered bounds the author keys that a session remembers, about 1 kB each.
	maxOffered = 16 << 10
	// maxDigestFrames bounds one digest: 14,169 authors a frame.
	maxDigestFrames = 4
	// maxPositions bounds the authors whose position at a peer is remembered.
	maxPositions = 2 * maxDigestFrames * wire.MaxDigestRefs
	// What is missing is asked for so often a second, and at once, on one link: well
	// below what the peer takes.
	askRate  = 5
	askBurst = 20
	// Digests a second that one link may send, and at once: each costs a look at
	// every author.
	digestRate  = 20
	digestBurst = 200
	// What a link is sent again comes out of this budget, in bytes a second and at once. A
	// link that asks for everything all the time costs the others 14 % of their CPU time
	// (hearsay bench --only live-mallory-asks; at 64 MiB it is 27 %).
	resendRate  = 4 << 20
	resendBurst = 16 << 20
	// Proofs and heads that are sent before the next author's turn.
	proofTurn = 8
	headTurn  = 64
	// maxUnanswered bounds the digests of a peer that wait for their Done.
	maxUnanswered = 64
	// The least time between two questions for one author on one link; it doubles
	// while nothing comes.
	askMin = time.Second
	// How long a peer that takes in what it was sent may stand still.
	movingRest = 30 * time.Second
	askMax     = time.Minute
	// A peer that is told nothing of what we have is asked for everything again after
	// askMin, doubled each time up to this: it sends all of it.
	againMax = 10 * time.Minute

	// An unanswered Hello, and silence, end a session.
	helloTimeout = 10 * time.Second
	pingAfter    = 15 * time.Second
	watchEvery   = 5 * time.Second
	silenceLimit = 45 * time.Second
	// slowestRate in bytes a second is granted on top of silenceLimit to a large frame.
	slowestRate = 4 << 10

	// guardWait is how long peers have to prove what they claim of our own updates.
	guardWait = 30 * time.Second

	// lookupTimeout bounds how long a keystore says nothing about authors that are stored.
	lookupTimeout = 5 * time.Second
	// lookAgainAfter is the pause before those are asked for again of which it said nothing.
	lookAgainAfter = 30 * time.Second
	// lookupsAtOnce bounds the look-ups on their way at the same time.
	lookupsAtOnce = 64
	// lookupBatch is how many ids one look-up of a keys.Batcher takes.
	lookupBatch = 256
	// maxWindows bounds the windows of an author that are stored, 16 bytes each.
	maxWindows = 4096

	// A store that refuses is tried again after this time, doubled up to storeRetryMax.
	storeRetryMin = 250 * time.Millisecond
	storeRetryMax = 10 * time.Second
)

// releaseDate is when this version was made. A node whose clock stands before it
// does not write: its updates would lose against everything.
var releaseDate = time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)

// ReleaseDate returns when this version was made. A node whose clock stands before it
// does not write.
func ReleaseDate() time.Time { return releaseDate }
