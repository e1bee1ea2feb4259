package verify

import (
	"time"

	"github.com/hearsaynet/hearsay/replica/wire"
)

// Defaults of Config.
const (
	defaultMaxRuns             = 1024     // 27 ms of ed25519 on two cores
	defaultMaxBytes            = 64 << 20 // 64 of the largest runs
	defaultMaxWaitingRuns      = 4096     // one of each of 4096 authors
	defaultMaxWaitingBytes     = 64 << 20
	defaultMaxWaitingPerAuthor = 4 << 20 // 16 such authors fill the total
	defaultSilence             = 30 * time.Second
	defaultBackoffInitial      = 250 * time.Millisecond
	defaultBackoffMax          = 30 * time.Second
)

const (
	// flowShare is the part of MaxRuns and MaxBytes that one author may use, so that
	// a long queue of one leaves room for others.
	flowShare = 8
	// waitingShare is the part of MaxWaitingRuns that one author may use.
	waitingShare = 16
	// patience is how long a Func may be silent, in which it does not check, before
	// its author counts as waiting and gives its room among the flowing back.
	patience = time.Second
	// resultsAhead is how many results stand ready beyond what the reader has taken.
	// It lets a reader commit in groups; they are not counted in MaxBytes any more.
	resultsAhead = 16

	// entryCost and statementCost are what a parsed statement holds beside its bytes, in
	// bytes: for each update in it, and once.
	entryCost     = 128
	statementCost = 512
)

func cost(u wire.Unverified) int64 {
	n := int64(u.Size()) + statementCost
	if updates, ok := u.(interface{ Len() int }); ok { // a run or a proof
		n += entryCost * int64(updates.Len())
	}
	return n
}
