// Package scuttlebutt replicates with peers that run scuttlebutt 5.6.15, the module of
// that name on npm, and with others of its own kind by the same protocol.
//
// It is there for fleets that move from the original one node at a time. Nothing of what
// hearsay promises else holds here: an update has no sequence number and no hash, so what
// a relay leaves out is not missed, and without [Security] everybody may write in
// everybody's name.
//
// # Lines
//
// A connection carries lines of JSON in UTF-8, both ways:
//
//	{"id":"B","clock":{"A":1795217819806,"B":1795217820007.002},"meta":…}   a header, first
//	[change, timestamp, source]                                             an update
//	[change, timestamp, source, signature]                                  a signed one
//	"SYNC"                                                                  that was all I had
//
// The clock says up to which timestamp (milliseconds since the Unix epoch, a JavaScript
// number) the peer knows each source's updates. The answer to a header is the history
// beyond its clock, by timestamp and then by source, SYNC, and then every update as it is
// applied. Other JSON means nothing; anything else ends the session.
//
// Updates are kept and passed on as JSON.stringify writes them, which is how the original
// sends them, so their bytes do not change on the way and signatures, which are over
// these bytes, hold.
//
// # Models
//
// [Model] is the original's scuttlebutt/model and [Events] its scuttlebutt/events. Both
// are a [Node], which [Node.Sync] links to one peer at a time, over any connection;
// [Node.Serve] and [Node.Connect] do so over TCP. [OpenFile] keeps a node's history in a
// file that the original reads and writes as well. [InsecureRSASHA1] is its security mode.
//
// # Where it differs from the original
//
//   - The clock moves when an update has been verified, not before: what was refused, or
//     was lost because the keystore was down, comes again with the next session. Until
//     that, a session takes nothing more of a source of which it refused an update.
//   - A verdict may be unavailable; then it is asked for again, the source waits, in
//     order, and the others flow.
//   - An update that claims to be our own is verified like any other, and never signed.
//   - Of two values of one key with the same timestamp, that of the greater source stands
//     everywhere. In the original the one that came last does.
//   - Updates are not sent back to the peer they came from.
//   - ReceiveOnly sends no updates. The original's readable: false does.
//   - A name of an event acts upon nothing.
//   - Timestamps are above zero and at most Config.MaxSkew ahead; lines, sources, the
//     clock, what is in flight and the history are bounded (see the constants). A number
//     beyond the largest double, which is Infinity to the original and null to whom it is
//     passed on, and bytes that are not UTF-8 are errors.
//   - A second header, a header whose clock is no object, and a line that is not JSON end
//     the session.
//
// An npm peer splits its input into lines before it decodes it only if told so
// (socket.setEncoding('utf8')); otherwise a character of several bytes that is cut by a
// read is lost, whoever the sender is.
package scuttlebutt
