// Package events is a log of named events that many authors append to, and that
// listeners hear.
//
// A change is, in TLS presentation language (RFC 8446 section 3), big-endian:
//
//	struct {
//	    uint8 op;                        // 1 event, 2 event until a time
//	    select (op) {
//	        case 1: struct {};
//	        case 2: uint64 until;        // ns since the Unix epoch, 1 to 2^63-1
//	    };
//	    opaque name<1..255>;             // UTF-8 without control characters
//	    opaque data;                     // the rest of the change
//	} Change;
//
// Any other bytes are an error, and have no effect. The order of the log is (time,
// author, hash): it is a function of the set of events, in whatever order they came.
// Who follows a log, or listens from a point on, gets its events in that order first,
// and from then on as they come. What it was told can be taken back by a cut or when an
// author's key is withdrawn: the log forgets it then, its readers are not told.
//
// # Patterns
//
// A name is a row of elements with dots between them. In a pattern * stands for any
// characters within one element, so that a.* matches a.b; ** as a whole element for any
// number of elements, none included, so that a.** matches a, a.b and a.b.c; ? for one
// character but a dot; [a-z] for a class; {a,b} for alternatives; and a backslash takes
// the meaning of the next character away. A pattern without any of these is a name, and
// every pattern matches the name that is equal to it. Names are data: none of them means
// anything to the log, nor to its listeners but what the application gives it.
//
// # Ends
//
// An event with an end is told to nobody from that time on, by the clock of who would
// tell it (replica.Config.Now), and its memory is free. The update that published it
// stays in the store.
//
// # Costs
//
// The log is in memory: about 160 bytes, the name and the data for each event, and 60
// more for one with an end. With n events, to apply one takes O(log n), to begin a replay
// O(log n), and then O(1) for each event that it passes; From.Since and From.Last skip
// what they leave out. Readers and the replica do not wait for each other, but for
// moments.
package events
