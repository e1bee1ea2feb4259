// Package peerkv gives every author a map of keys to values that only it can write, and
// everybody can read: there are no conflicts. This is the state that van Renesse et al.
// reconcile (LADIS 2008, section 2), and gossipmonger's and telepathine's.
//
// A change is, in TLS presentation language (RFC 8446 section 3), big-endian:
//
//	struct {
//	    uint8  op;                   // 1 set, 2 delete, 3 set until
//	    opaque key<1..1024>;         // UTF-8, behind a 16-bit length
//	    select (op) {
//	        case set until:
//	            uint64 expires;      // ns since the Unix epoch, 1 to 2^63-1
//	        default:
//	            struct {};
//	    };
//	    opaque value;                // the rest of the change; nothing for delete
//	} Change;
//
// Any other bytes are an error, and have no effect. It changes the map of the update's
// author and of nobody else. Of all the changes that an author makes of a key the one with
// the highest seq counts, whatever their times; a delete is a change like any other. So
// all maps are a function of the set of changes, in whatever order they come.
//
// A value that is set until a time is not shown from that time on, by the clock of each
// replica, and watchers hear that it expired; it still counts, so that no older one comes
// back. Replicas whose clocks differ show it that much longer or shorter, and are alike
// otherwise.
//
// Memory is about 190 bytes, the key and the value for each key, and 100 more if the value
// expires. A key that was deleted or has expired keeps its last change, without the value,
// because an older one may still arrive. With n keys a change costs O(log n) steps, a read
// O(1), which waits for no writer; a list of keys is sorted already.
//
// It is not for what several authors must agree on: that is what package kv is for.
package peerkv
