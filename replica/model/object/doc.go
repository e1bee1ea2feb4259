// Package object is one JSON object with objects in it that many authors write to: writes
// to different paths all stay, and of two writes to one path the last one does. It is what
// gossip-object does.
//
// # Bytes
//
// A change is, in TLS presentation language (RFC 8446 section 3), big-endian:
//
//	opaque Name<1..255>;             // UTF-8, behind an 8-bit length
//	struct {
//	    uint8  op;                   // 1 set, 2 remove
//	    Name   path<0..1088>;        // at most 64 names, behind a 16-bit length in bytes
//	    opaque value<0..2^24-1>;     // JSON, behind a 24-bit length; nothing for remove
//	} Write;
//	Write Change<..>;                // 1 to 256 of them, one behind the other to the end
//
// The JSON (RFC 8259) is spelled in one way: without white space, the members of an object
// bytewise by name and none twice, strings as UTF-8 with escapes for the quote, the
// backslash and control characters only, in the short form where there is one and as
// \u00xx else, and any number as its author wrote it. Names of members are bound as those
// of paths are. The names of a path and the objects and arrays that a value stands in are
// 64 at most, and the names on the way to any value 1024 bytes, with one more for each.
// What is set at the path of no name, the root, is an object. Any other bytes are an error,
// and the change has no effect.
//
// # State
//
// Writes are ordered by (time, author, hash) of their updates, and in one update by their
// place. Each write w at a path P
//
//   - clears P and every path below: what older writes say of them does not count;
//   - if it sets a value, says what stands at P, and, if that is an object, at each path in
//     it down to what is no object, which stays whole: an array has no paths;
//   - if it sets a value, says that at each path above P an object stands.
//
// Of what is said of a path, and not cleared by a newer write there or above, the last
// counts; of a path of which nothing counts nothing stands there. The root is always an
// object. So the object is a function of the set of writes, in whatever order they come,
// and these are the answers to what may meet:
//
//   - Writes to different paths, neither above the other, both stay.
//   - A write to a branch replaces what is older in it, and leaves what is newer: a member
//     set later stays, with the rest of the branch around it.
//   - A write below what is no object makes it an object: what stood there is gone and does
//     not come back. An older one has no effect.
//   - A remove takes away what is older and nothing else. It makes no object of what stands
//     above, and an object that loses its last member is {}, not gone.
//   - If one author is excluded, all is as if it had never written.
//
// A path of which nothing counts stays in memory while a write to it, or above, could
// still be older than what cleared it.
//
// # Cost
//
// The names of an object are a treap of which a writer copies the path that it changes,
// so that readers wait for nobody and see one moment, however long they read. With n names
// a write of a value at depth d takes O(d log n) steps, one of a branch as much for each
// value, and what it clears was paid for when it was written. Memory is about 220 bytes a
// value and 100 for each name on the way that nothing else shares, besides names and
// values. A change is its names and the value, and 6 bytes and one for each name.
//
// Kleppmann and Beresford ("A Conflict-Free Replicated JSON Datatype", IEEE TPDS 2017) ask
// the same questions of writes in causal order, where a remove takes away only what its
// author had seen; here all are in one order, and a place needs no more than two writes.
//
// It is not for arrays that several authors write to, which replace each other (package
// list), nor for text (package text).
package object
