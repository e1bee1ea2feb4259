// Package events is a log of named events that many authors append to.
//
// A change is, in TLS presentation language (RFC 8446 section 3):
//
//	struct {
//	    opaque name<1..255>;         // UTF-8 without control characters
//	    opaque data;                 // the rest of the change
//	} Change;
//
// Any other bytes are an error, and have no effect. The order of the log is (time,
// author, hash): it is a function of the set of events, in whatever order they came.
// Who follows a log gets its events in that order first, and from then on as they
// come.
//
// The log is in memory: about 150 bytes, the name and the data, for each event.
package events
