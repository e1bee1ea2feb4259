// Package value is one value that many authors write, and the last n of it: the last
// writer wins (a register, as in Shapiro et al., "A comprehensive study of Convergent and
// Commutative Replicated Data Types", 2011, section 3.2.1).
//
// A change is, in TLS presentation language (RFC 8446 section 3), big-endian:
//
//	struct {
//	    uint8  op;                   // 1 set
//	    opaque value;                // the rest of the change
//	} Change;
//
// Any other bytes are an error, and have no effect. The value is that of the change that
// is last of all by (time, author, hash), and the history the last n before it. So both
// are a function of the set of changes, in whatever order they come. Config.History says
// how many of them this replica keeps; the others are in the replica's store.
//
// A change takes one byte on the wire besides the value, about 180 bytes in memory, and
// O(n) steps for a history of n. Reading takes O(1), and waits for nobody. An author that
// dates its updates up to replica.Config.MaxSkew ahead wins until then.
//
// It is not for what several authors add to, as counts and lists: of two values set at
// once one stays.
package value
