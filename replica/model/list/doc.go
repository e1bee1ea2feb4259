// Package list is a list that many authors write: they insert, set, move and remove
// elements by index or by name, and what they insert at one place at once is all kept.
//
// A change is one operation or several, in TLS presentation language (RFC 8446 section 3),
// big-endian:
//
//	struct {
//	    opaque author[34];           // a node id
//	    uint64 seq;                  // the update that inserted the element, 1 to 2^63-1
//	    uint16 index;                // which of its operations did, from 0
//	} ElementID;
//
//	struct {
//	    uint8 op;                    // 1 insert, 2 set, 3 remove, 4 move
//	    select (op) {
//	        case insert: opaque position<1..255>; opaque value<0..2^32-1>;
//	        case set:    ElementID id; opaque value<0..2^32-1>;
//	        case remove: ElementID id;
//	        case move:   ElementID id; opaque position<1..255>;
//	    };
//	} Operation;                     // 1 to 65535 of them until the change ends
//
// A position is a fraction in base 256, so its last byte is not zero (Greenspan,
// "Implementing Fractional Indexing", 2020). Any other bytes are an error, and have no
// effect.
//
// # Order
//
// An element has a position and a content, which is a value or that it is removed. Each of
// the two is what the last operation wrote, by (time, author, hash, index in the change),
// the insert being one. So of a set and a remove at the same time the later one counts, a
// set brings an element back, and a move does not. As an author's clock gives what it
// writes a later time than all that it sees, whoever sees an element can change it, and
// nothing that was written counts for what is inserted later. Elements are in the order of
// their positions, and those with equal ones in the order in which these were written. No
// place depends on another element: without an author's updates, its elements and what it
// did to others' are gone, and nothing else.
// An operation on an element that is not there has no effect until it comes, and none then
// if it is older.
//
// What one author inserts in one call, or one behind the other, stays together when another
// writes at the same place at once. At the ends of the list n elements in a row are mixed
// with another's once in about 60,000/n times, elsewhere hardly ever.
//
// # Costs
//
// With n elements an operation takes O(log n) time, and so does each read; a Snapshot and
// an iteration hold up no writer. An element takes about 280 bytes, its position and its
// value, 190 if many were inserted in one change; a removed one keeps all but the value,
// because an older operation may still arrive. An insert takes 12 bytes of the change and
// the value, more in a place where much was inserted, others 45 and up. A position is six
// bytes at the ends of the list, however much is appended, and grows by a bit for each time
// that others were inserted next to it on either side, or that different authors insert at
// one place in turn.
package list
