// Package dst is a deterministic simulation test of replicas.
//
// A [Plan] is made of a seed: honest nodes and what joins them, hostile authors, and what
// happens when: changes to models of all kinds, crashes, models that are unmounted and
// mounted again, partitions, keystores that fail, clocks that are wrong, members that come
// and go, forks, forgeries. [Run] plays it with real replicas in the virtual time of a
// testing/synctest bubble. The network between them is simulated frame by frame, one frame
// at a time, and what goes wrong with a frame depends on the seed and on what the frame is,
// not on when it came: so a plan replays, and a part of it does too.
//
// While it plays, each frame that leaves an honest node, each write to a disk and each
// update that reaches a model is checked. Then the faults end, and every honest node must
// come to the state that an independent oracle computes from what was signed: see
// check.go for the list.
//
// What is written to a kv.Map and to a ledger of its own is made here, and the oracle folds
// it by the documentation. The other models, those of [Kinds], are driven through the
// operations of package replica/node/models, and an events.Log through its methods: from
// what a model shows at the moment an operation is drawn that fits it. (The generators of
// package modeltest and its users draw changes, not calls, and are tests.) The oracle for
// those is the model itself, folded once by a new replica that has only what counts: so it
// sees what depends on order, on faults and on mounting, not what is wrong always, which
// modeltest and the models' own tests are for.
//
// What is not exact: the order of what the goroutines of one replica do at one instant of
// virtual time is the Go scheduler's. Frames that are written at one instant are put into
// one order, sessions begin at odd instants, and jitter is fixed; in one seed of a hundred
// it shows nevertheless.
package dst
