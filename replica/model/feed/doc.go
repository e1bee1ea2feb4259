// Package feed is a list of items for each author, to which only that author adds and
// from which only it removes, and all of them merged by time.
//
// A change is, in TLS presentation language (RFC 8446 section 3), big-endian:
//
//	struct {
//	    uint8 op;                        // 1 push, 2 remove
//	    select (op) {
//	        case 1: opaque item;         // the rest of the change
//	        case 2: uint64 seq;          // of the update that pushed it, below this one's
//	    };
//	} Change;
//
// Any other bytes are an error, and have no effect. A remove names no author: it is of
// the same author's items, so that there is no way to say that another's is to go. It
// is for ever, and counts before its item has come, too. What is there is a function of
// the set of changes, in whatever order they came: the items that are pushed and not
// removed, a two-phase set (Shapiro et al., "A comprehensive study of Convergent and
// Commutative Replicated Data Types", 2011, section 3.3.2) in which each item is its own.
//
// The merged feed is in the order of (time, author, hash), an author's in that of seq. An
// author that is withdrawn, or cut, takes its items with it and no others; what was
// watched or followed can be retracted so.
//
// The feed is in memory: about 160 bytes and its bytes for an item, about 40 for a
// remove. With n items, to push and to remove take O(log n), to begin to read O(log n),
// and then O(1) for each item. Readers and the replica do not wait for each other, but
// for moments. It is not for lists that several authors order, or edit (list), nor for
// what is to be forgotten: the update that pushed a removed item stays in the store.
package feed
