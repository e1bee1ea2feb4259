// Package node is a whole hearsay node: data directory, identity, store, replicas,
// links, and the Unix socket over which commands talk to it.
//
// The data directory is private (0700) and holds:
//
//	config.json   what later commands need to know: key file, topic, whether the key was made here
//	id_ed25519    the key, when the node made it itself; id_ed25519.pub beside it
//	trusted/      ID.pub, one file for each admitted author
//	store.db      the signed updates
//	lock          held by whoever has the store open
//	hearsay.sock  the control socket (0600), made and removed under the lock
//
// [Open] starts a node; [Attach] gives the same operations to a command, through the
// socket when a node runs and on the opened store when none does.
package node
