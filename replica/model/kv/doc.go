// Package kv is a map of keys to values that many authors write: the last writer wins.
//
// A change is, in TLS presentation language (RFC 8446 section 3), big-endian:
//
//	enum { set(1), delete(2), set_until(3), (255) } Op;
//
//	struct {
//	    Op     op;
//	    opaque key<1..1024>;         // UTF-8, behind a 16-bit length
//	    select (op) {
//	        case set_until: uint64 expires; // ns since the Unix epoch, 1 to 2^63-1
//	    };
//	    opaque value;                // the rest of the change; nothing for delete
//	} Change;
//
// Any other bytes are an error, and have no effect.
//
// # What counts
//
// Of all the changes of a key the one that is last by (time, author, hash) counts (the
// last-writer-wins register of Shapiro et al., "A comprehensive study of Convergent and
// Commutative Replicated Data Types", INRIA RR-7506, 2011, section 3.2.1); a delete is a
// change like any other. So the map is a function of the set of changes, in whatever order
// they come. A deleted key keeps its last change, because an older set may still arrive.
// Config.Resolve puts another order in the place of this one; a program that uses it must
// use the same on every replica.
//
// # Expiry
//
// A value that expires is not shown from its time on, by each replica's own clock. It is
// still the change that counts: no older value comes back. So the state is the same
// everywhere whatever the clocks, and what two replicas show differs for no longer than
// their clocks do. A value that watchers were told to be over stays so, also if the clock
// is set back, until the next rebuild or mount; with a Backend, which keeps it, it may be
// shown again. Its memory is freed, unless Config.Resolve or a Backend needs it.
//
// An author's clock that is wrong makes what that author sets expire too early or too
// late, and nothing else: the time is part of its content. An update that is dated too far
// ahead has no effect before its time (replica.Config.MaxSkew).
//
// # What watchers are told
//
// What a watcher was told can be taken back: when an author's key is withdrawn, or its
// history cut because it signed two, the replica rebuilds its models without what does not
// count any more, and the watchers are told the differences.
//
// # Cost
//
// Applying, getting and setting take O(1) steps, and O(log n) for what expires or is under
// a cap; listing O(n log n). In memory a key takes about 160 bytes, itself and its value,
// and 80 bytes more if it expires; a deleted or expired one stays, without its value.
// Readers do not wait for writers. See Config.MaxBytes for a bound, and Config.Backend for
// another place than memory.
package kv
