package object

// The bounds of the encoding.
const (
	// MaxName bounds one name of a path, in bytes: its length takes one byte.
	MaxName = 255
	// MaxDepth bounds the names of a path, those in a value and the levels of its arrays
	// included: nothing that comes from outside recurses deeper.
	MaxDepth = 64
	// MaxPath bounds a path, in bytes of its names and one for each: what telling of one
	// of a change's many values costs.
	MaxPath = 1024
	// MaxOps bounds the writes of one change.
	MaxOps = 256
)

// DefaultWatchBuffer bounds the changes that wait for one slow watcher.
const DefaultWatchBuffer = 1024
