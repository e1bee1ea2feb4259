package verify

// testOnly plants defects, so that tests can show that the simulator finds them. Its zero
// value plants none, and nothing outside of tests can set it.
type testOnly struct {
	retryLost       bool // what was Unavailable once is never looked at again
	outageRejects   bool // Unavailable counts as Reject
	wrongKeyRejects bool // a keystore that returns a wrong key is the peer's fault
}
