// Package text is a text that many authors write at once.
//
// A character is a Unicode code point; control characters are characters like any other,
// and who shows the text on a terminal escapes them. A change is, in TLS presentation
// language (RFC 8446 section 3), with integers of variable length (RFC 9000 section 16) in
// their shortest form and vectors behind such a length, <V>:
//
//	struct {
//	    uint8  op;                       // 1 edit
//	    uint8  n;                        // other authors that are named below
//	    NodeID others[n];                // in the order in which they are first named
//	    Part   parts[];                  // one at least, to the end of the change
//	} Change;                            // at most 64 KiB
//
//	struct {
//	    uint8 kind;                      // 1 insert, 2 delete
//	    select (kind) {
//	        case insert:
//	            uint8   anchors;         // 0 to 4
//	            Char    anchor[anchors];
//	            opaque  text<V>;         // UTF-8, a byte at least
//	        case delete:
//	            uint8   author;          // as in Char
//	            varint  ranges;          // 1 at least
//	            Range   range[ranges];   // in order; they do not touch
//	    };
//	} Part;
//
//	struct {
//	    uint8  author;                   // 0 who writes this, i the i-th of the others
//	    varint seq;                      // of the update that inserted it, 1 to 2^48-2
//	    varint index;                    // among the characters of that update, 0 to 65535
//	} Char;
//
//	struct {
//	    varint skip;                     // from the seq of the range before, or from 0
//	    varint index;                    // of the first character
//	    varint n;                        // characters, 1 at least
//	} Range;
//
// Any other bytes are an error, and have no effect.
//
// # What an update does
//
// A character's rank is (time, author, seq) of its update and its index there. An insert's
// text hangs on the first of its anchors that is there and ranks below the text, or on
// the beginning of the text if none does; each further character of it hangs on the one
// before. The text is what a walk from the beginning meets, which visits the characters that
// hang on one from the highest rank down, each with all that hangs on it, right after it. A
// delete takes what ranks below it out of what is shown; all that hangs on it stays.
//
// So the text is a function of the set of updates, in whatever order they come. What is not
// there yet, inserts, anchors or what a delete names, is waited for. A cycle cannot be, as
// a text ranks above what it hangs on; an author's clock gives all that it writes a higher
// rank than what it sees. (Not if the clock was set back by more than replica.Config.MaxSkew
// since: then an insert may hang on one of its further anchors, and a delete of what is
// dated later has no effect.)
//
// The anchors are the character before the insert and, if that is another author's, the
// nearest before it of further authors, up to one of its own. So when an author is
// withdrawn or cut, what others wrote into its text stays, behind what stood before it: in
// the same order without up to three authors, without more of them perhaps in another. A
// delete counts for nothing that is written later.
//
// What two authors type at the same place at once comes one behind the other, not mixed, as
// long as each types forwards: the algorithm is RGA. An author that types backwards, each
// character before the last, may get another's between.
//
// # Cost
//
// With n pieces of text (each up to 256 characters that were written one behind the other, by
// one author, and not torn apart since), an update costs O(log n) for each insert and for
// each piece that it deletes. A text moves at most 4 times, for O(log n) each, as its better
// anchors arrive: an author that lets 1 MB of such texts wait for one update makes that take
// about a second, once. Finding a place is O(log n).
//
// Readers see the text as it was after an update, whatever is done to it meanwhile, and wait
// for nothing, or for 256 pieces at most: of an update that inserts, deletes or moves more,
// they see the first 256 at once, then the next, each time with a version of its own. Each
// update that comes while the text is read leaves about 2 kB to the garbage collector.
//
// A character typed takes 12 bytes in a change and about 28 in memory; one in a block of text
// takes its UTF-8 in both. Each piece takes about 200 bytes more, and a delete leaves one or
// two: what is deleted keeps its place, without its text, for what may hang there.
package text
