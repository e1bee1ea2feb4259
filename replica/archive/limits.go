package archive

const (
	// DefaultMaxBytes is how long a file gets: small enough to be copied and checked at
	// once, and 16 to the GiB.
	DefaultMaxBytes = 64 << 20
	// commitBytes bounds what a crash can take from an export that is under way. At a
	// megabyte a flush costs less than what it flushes.
	commitBytes = 4 << 20
	// searchBytes is how much is read at a time where a file is damaged.
	searchBytes = 64 << 10
	// maxFaults bounds the places of a file that are damaged and behind which it is read on.
	maxFaults = 32
	// minStart is less than the shortest export file.
	minStart = 16
)
