package kv

// testOnly plants defects, so that tests can show that the simulator finds them. Its zero
// value plants none, and nothing outside of tests can set it.
type testOnly struct {
	tieByArrival  bool // of two changes with one time the first to arrive counts
	lastArrival   bool // the last change to arrive counts, whatever its time
	deleteForgets bool // a key that is deleted loses its time as well
}
