package events

const (
	// MaxName bounds an event's name, in bytes. It is part of the encoding.
	MaxName = 255
	// MaxPattern bounds a pattern, and so what it costs to match, in bytes.
	MaxPattern = 1024
	// Overhead is what a change takes besides name and data, in bytes.
	Overhead = 2
	// OverheadFor is Overhead for an event with a duration.
	OverheadFor = Overhead + 8
)
