// Package replica replicates signed updates and folds them into models.
//
// A [Replica] holds one topic. [Replica.LocalUpdate] signs a change and stores it
// durably; runs from elsewhere pass Verify, then the store, then the models'
// ApplyUpdate, through one door whatever brought them. [Replica.Sync] holds one
// conversation with a peer, which need not be trusted: peers swap version vectors
// and send what the other lacks (van Renesse et al., "Efficient Reconciliation and
// Flow Control for Anti-Entropy Protocols", LADIS 2008), each author's updates in
// order and without holes.
//
// What the state is depends on nothing but the set of updates of admitted authors.
// An update dated beyond now + MaxSkew is stored and passed on at once; its effect
// waits ("parked") until its time. Whatever is not applied has a state and a reason:
// see [Replica.Explain].
package replica
