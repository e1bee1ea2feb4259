package text

const (
	// MaxChange bounds a change, in bytes, so that what one update inserts takes some tens of
	// milliseconds at most. What waited for it, and the pieces that it deletes, come on top:
	// each of them has been paid for once. It is part of the encoding.
	MaxChange = 64 << 10
	// MaxAnchors bounds the characters that an insert names as its place: the one before
	// it, and three to fall back on while that one's author is not there. It is part of the
	// encoding.
	MaxAnchors = 4
	// DefaultWatchBuffer bounds the edits that wait for one slow watcher.
	DefaultWatchBuffer = 1024

	// maxOthers bounds the authors that a change names besides its own.
	maxOthers = 255
	// maxIndex bounds the characters of an update: each takes a byte of its change.
	maxIndex = 1 << indexBits
	// maxSeq bounds the seqs that a change has and names: they share 64 bits with an index,
	// and a place has one behind it.
	maxSeq = 1<<(64-indexBits) - 2
	// maxSpan bounds a span, in characters, and so what splitting one copies: 1 KiB of text
	// and 4 KiB of places.
	maxSpan = 256
	// maxScan bounds how often an insert's writer, looking for anchors to fall back on, goes
	// from one author's text to another's.
	maxScan = 64
	// maxSteps bounds the pieces that an update inserts, deletes or moves before readers see
	// them, and so how long one may have to wait, besides for its turn. What most updates do
	// is seen as one.
	maxSteps = 256
	// maxMoved bounds the text, in characters, that watchers are told of one update that
	// makes it move: an author may make as much of it move as it likes with 40 bytes, and as
	// often as it has let texts wait for that update.
	maxMoved = 4096
)
