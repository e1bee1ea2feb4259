package replica

import "github.com/hearsaynet/hearsay/replica/wire"

// testOnly plants defects, so that tests can show that the simulator finds them. Its zero
// value plants none, and nothing outside of tests can set it.
type testOnly struct {
	gapSkipped       bool // a run behind a gap moves the frontier
	clockFirst       bool // what is refused has moved the frontier before
	forkByArrival    bool // of two histories the first to arrive stays
	firstProofStays  bool // a proof with a lower seq is no news
	proofKept        bool // a proof is not passed on
	proofForgotten   bool // a proof is not stored
	cutUnfinished    bool // a cut that a crash interrupted is not finished
	tailKept         bool // what is above a cut stays in the models
	parkedEarly      bool // an update has its effect before its time
	parkedForgotten  bool // a parked update never has its effect
	rebuildForgets   bool // a rebuild leaves the own author out
	admissionIgnored bool // what the keystore says later does not count
	withdrawnKept    bool // the updates of a withdrawn author stay in the models
	windowIgnored    bool // times that an author is not admitted for do not matter to what is stored
	outForgotten     bool // who was not admitted is forgotten at a restart
	signatureIgnored bool // a copy with another signature passes for the run in flight
	sentFirst        bool // own updates are sent before they are durable
	ackedFirst       bool // own updates are acknowledged before they are durable
	guardIgnored     bool // a restored store writes on without asking
	mountMisses      bool // what comes while a model is being mounted is missing in it
	clockIgnored     bool // own updates are dated by the wall clock alone

	digestBelieved   func(*Replica, wire.Ref)              // what a peer claims to have moves the frontier
	cutRunDropped    func(*Replica, wire.Ref) (end uint64) // the run that a cut falls into is not kept
	duplicateApplied func(*models, *wire.Run)              // an update that comes again is applied again
	mounted          func(channel string, m Model) Model   // another model is mounted
	session          func(*SyncConfig)                     // a session is held in another way than it should be
	decided          func()                                // plants nothing: is called between verdicts and what is done about them
}
