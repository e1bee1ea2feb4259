// Package bridge keeps a topic and a fleet of npm scuttlebutt peers alike, while both are
// written.
//
// What comes from npm is published in the topic, signed by the bridge's own key, with the
// npm update itself beside it: its source, its timestamp and, if it has one, its signature.
// What others publish in the topic becomes an npm update of the bridge. Neither comes back
// to where it is from.
//
// # Keys and values
//
// The npm key K is the topic's key P+K, for a prefix P. A JSON string crosses as its
// characters, any other JSON value as its text, null as a deletion; what the topic's
// authors set crosses as a JSON string. Under P+".npm/"+K the topic has the npm update in
// which both sides last agreed. It tells which side has changed a key since, npm by an update
// that comes behind it: that side's value goes to the other one. If both have, the later one does, by the npm timestamp and
// the time of the topic's update; a value wins over a deletion in the topic, whose time is
// not known.
//
// What the other side cannot hold does not cross, and is logged: keys longer than
// kv.MaxKey, keys and values that are not UTF-8, changes too long for an update, and npm
// keys that begin with ".npm/". The npm side knows no expiry: there a key is deleted when
// its value has expired in the topic.
//
// # Events
//
// An npm event N is an event P+N of the topic, with the npm update as its data. An event
// P+N of the topic that is none of these becomes the npm event N with its data as a
// string, and a second argument that says who published it:
//
//	{"author":"Qm…","seq":5}
//
// Each crosses once, over restarts too. Bridges between one topic and one fleet, or
// several, bring keys and values to the same state; events they would double in one fleet,
// and not carry from one to another. Their prefixes are the same,
// or neither begins with the other: what one brings, the other would bring back under a longer
// key, again and again.
//
// # Files
//
// The npm side's history is kept in a file of the format that npm reads and writes, so that
// the bridge goes on with its own timestamps, and serves npm peers while others are away.
package bridge
