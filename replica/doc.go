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
// What the state is depends on nothing but the set of updates of admitted authors. Of
// one that the keystore admits for some signed times only, exactly those before its
// first update outside them count.
// An update dated beyond now + MaxSkew is stored and passed on at once; its effect
// waits ("parked") until its time. Whatever is not applied has a state and a reason:
// see [Replica.Explain].
//
// A session may go one way (a master that takes nothing, a slave that discloses nothing),
// be for some authors, and end when there is no more: see [SyncConfig].
//
// # Files and copies
//
// [Replica.Export] writes what is stored, all of it or behind a clock, once or as it comes;
// package archive keeps that in a directory of files through any crash, and
// [Replica.Import] takes it in through the one door. [Replica.Select] gives single updates
// in the caller's order. [Replica.Clone] is a second replica in the process.
//
// # Authors that lie
//
// An author that signs two updates with one seq is cut there, everywhere: a proof of
// both is kept and passed on, what is below counts and nothing from there on. Where two
// long histories part is searched for with digests that claim less than there is.
//
// # Relays that are silent
//
// Authors sign heads: how far they have written, and when they said so. A replica is
// current, and only then may be called synced, when it has reached every fresh head it
// knows, each heard from two links or from the author itself. An author without a
// fresh head is stale; a link that has less than the heads say is behind. See
// [Replica.Status] and [Replica.Links].
//
// # The own author
//
// A store that may have forgotten something asks peers before it writes, and stops when
// it learns that its key writes elsewhere: see [Guard].
package replica
