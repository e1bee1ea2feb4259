// Package kv is a map of keys to values that many authors write: the last writer wins.
//
// A change is, in TLS presentation language (RFC 8446 section 3), big-endian:
//
//	struct {
//	    uint8  op;                   // 1 set, 2 delete
//	    opaque key<1..1024>;         // UTF-8, behind a 16-bit length
//	    opaque value;                // the rest of the change; nothing for delete
//	} Change;
//
// Any other bytes are an error, and have no effect. Of all the changes of a key the
// one that is last by (time, author, hash) counts; a delete is a change like any
// other. So the map is a function of the set of changes, in whatever order they
// come. A deleted key keeps its last change (about 150 bytes and the key), because an
// older set may still arrive.
//
// The map is in memory: about 150 bytes, the key and the value, for each key.
package kv
