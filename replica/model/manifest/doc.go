// Package manifest is a list, which many authors write, of what is mounted in a topic: the
// name of a channel and the kind of model that it holds. Each replica mounts what the list
// names, at run time, and closes what is taken off it. Scuttleboat's manifest is of this
// kind; what scuttlebucket does, several models in one topic, needs no list: Mount each on
// a channel.
//
// # Bytes
//
// A change is, in TLS presentation language (RFC 8446 section 3), big-endian:
//
//	struct {
//	    uint8  op;                   // 1 add, 2 remove
//	    opaque channel<1..64>;       // UTF-8 without control characters, behind an 8-bit length
//	    select (op) {
//	        case add:
//	            opaque kind<1..64>;  // likewise
//	        default:
//	            struct {};
//	    };
//	} Change;
//
// Any other bytes are an error, and have no effect. Of all the changes of a channel the
// one that is last by (time, author, hash) counts; so the list is a function of the set of
// changes, in whatever order they come.
//
// # What is mounted
//
// A replica mounts the channels of the list whose kinds Config.Kinds names, in a goroutine
// of the Manifest's. A kind that it does not know is listed, as UnknownKind, and left
// alone. So are the manifest's own channel and those of Config.Reserved, where a program
// names the ones that it mounts itself: no author can put another model in their place.
//
// Config.MaxMounts bounds what is mounted. While more is listed, each author's first by
// (time, author, hash) comes before everybody's second, and so on, and what is left is
// Excess: an author who lists a million channels has one in n mounted where n authors list
// any. What is mounted depends on the list and on Config alone, not on what came first.
//
// A channel whose kind changes is closed and mounted anew; what has been written to it
// stays, and means to the new model what it can. The same holds for a channel that is
// removed: a replica keeps the updates of channels that nobody has mounted, passes them
// on, and gives them to the model when somebody mounts it.
//
// A kind whose model lists others in turn, as this one, would let an author mount without
// bound: do not name it in Kinds.
//
// # Cost
//
// A listed channel takes about 250 bytes, one that was removed as much. A change costs
// O(1) steps, and what is to be mounted is found anew in O(n log n) for n channels, at
// most a tenth of the time. To mount a channel, a replica reads all that it has of the
// topic, and others write only when that is over; so the Manifest rests as long as its
// mounting took before it mounts more. A change is the two names and 3 bytes.
package manifest
