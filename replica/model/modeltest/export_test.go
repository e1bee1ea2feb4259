package modeltest

import "time"

// Slow is how long a change may take in this package's tests.
const Slow = 50 * time.Millisecond

func init() { slow = Slow }
