// Package node is a whole hearsay node: data directory, identity, store, replicas,
// links, and the Unix socket over which commands talk to it.
//
// # Data directory
//
// It is private (0700, else refused) and holds:
//
//	config.json   what later commands need to know: key file, topics, peers, whether the key
//	              was made here, and how far the node had written
//	id_ed25519    the key, when the node made it itself; id_ed25519.pub beside it
//	trusted/      the keys of admitted authors: ID.pub, or whatever package keys/dir reads
//	bundles/      SIGNER-NAME, the newest version of each bundle that was admitted
//	keyserver/    the newest list of a key server, and the keys that it names
//	store.db      the signed updates
//	lock          held by whoever has the store open
//	hearsay.sock  the control socket (0600), made and removed under the lock
//
// A second lock, on the key's id, is in $XDG_RUNTIME_DIR/hearsay, or else in
// hearsay-UID under the temporary directory: so one key does not run twice on a
// machine. The socket is there too when its path in the data directory would be too
// long for the system; hearsay.sock is then a symbolic link to it.
//
// # Running and attaching
//
// [Open] starts a node; [Attach] gives the same operations to a command, through the
// socket when a node runs and on the opened store when none does. [Trust], [Untrust]
// and [Fsck] work on the directory itself, and [Doctor] looks at all of it.
//
// # Who may write
//
// A key that was made for the directory writes at once. With any other, and with a
// store that was lost, moved, copied, or put back from a backup, the node first asks
// its peers what the key has written (DESIGN: the author protects itself);
// Options.Force skips that. The store keeps, under the record kind "writer", that it
// has been allowed to.
//
// # Links
//
// Each configured peer is dialed, and dialed again. A peer whose session ends through
// its own fault (a broken frame, a bad signature) is refused for a minute, the next
// time for two, and for an hour at most. A relay that adopts a topic links again with
// the peers that it dials, so that they hear of it.
package node
