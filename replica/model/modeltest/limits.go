package modeltest

import (
	"time"

	"github.com/hearsaynet/hearsay/replica/wire"
)

const (
	// replicaShare is how many histories are drawn for one that real replicas get, which
	// take a hundred times as long as a fold.
	replicaShare = 5
	// garbageShare is that for those behind which the garbage collector runs.
	garbageShare = 10

	// maxHistory bounds the updates of one history: defects of order show with few.
	maxHistory = 32
	// maxHostile bounds the hostile changes that one state gets.
	maxHostile = 6
	// large and huge are the sizes of the large hostile changes, in bytes: what LocalUpdate
	// takes, and for one in hugeShare what others may send.
	large     = 64 << 10
	huge      = wire.MaxChange
	hugeShare = 8

	// allocPerByte and allocConstant bound what one change may allocate: a change of 64
	// KiB 16 MiB and, as tables grow by doubling, a constant.
	allocPerByte  = 256
	allocConstant = 1 << 20

	// tries is how often a costly change is applied again before it counts as too costly:
	// what else the machine does meanwhile is measured too.
	tries = 4

	// maxShown bounds how much of a state a failure prints, in bytes.
	maxShown = 4 << 10
)

// slow is how long one change of at most large bytes may take, on a busy machine and with
// the race detector, and a fifth of how long one of huge bytes may: work that grows with
// the square of its bytes takes longer.
var slow = 2 * time.Second

// patience is how long one change of size bytes may take.
func patience(size int) time.Duration {
	if size <= large {
		return slow
	}
	return 5 * slow
}
