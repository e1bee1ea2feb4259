// Package wire holds hearsay's bytes: updates, runs, heads, fork proofs, digests and
// frames.
// It is a codec: no I/O of its own, no clock, no logging.
//
// All integers are big-endian and below 2^63. The notation is the TLS
// presentation language (RFC 8446 section 3). One value has one encoding;
// trailing bytes, zero enums and values out of range are errors. Topics (1 to
// 255 bytes) and channels (0 to 64 bytes) are UTF-8 without control characters.
//
// # Update
//
// An update is a [Header] and the change that it commits to:
//
//	struct {
//	    opaque magic[8] = "hearsay\x01";
//	    opaque topic<1..255>;
//	    opaque author[34];       // keys.NodeID
//	    uint64 seq;              // 1, 2, 3, … without holes, per author and topic
//	    uint64 time;             // ns since the Unix epoch, a hybrid logical clock
//	    opaque prev[32];         // hash of seq-1; zeros if and only if seq is 1
//	    uint8  kind;             // 1 change; 2 checkpoint and 3 rotate are reserved
//	    opaque channel<0..64>;
//	    uint32 size;             // bytes in change
//	    opaque digest[32];       // SHA-256(change)
//	} Header;
//
// The update's [Hash] is SHA-256(Header). A signature over a header covers, through
// prev, every update before it.
//
// # Run
//
// Updates travel and are stored as a run: up to 256 consecutive updates of one
// author under one signature, an SSHSIG in namespace "hearsay-update" over the
// last header.
//
//	struct {
//	    uint64 time;
//	    uint8  kind;
//	    opaque channel<0..64>;
//	    enum { present(1), absent(2) } form;
//	    select (form) {
//	        present: opaque change<0..2^20-2^12>;   // 4-byte length
//	        absent:  uint32 size; opaque digest[32];
//	    };
//	} Entry;
//
//	struct {
//	    opaque author[34];
//	    uint64 seq;              // of the first entry
//	    opaque prev[32];
//	    Entry  entries<1..256>;  // 2-byte number of entries
//	    opaque signature<1..532>; // string format, string blob (RFC 4253 section 6.6)
//	} Run;
//
// [ParseRun] gives an [UnverifiedRun]; [UnverifiedRun.Open] is the only way from
// foreign bytes to a [Run].
//
// # Head
//
// A head is an author's word on where its history ends at a time, an SSHSIG in
// namespace "hearsay-head" over [HeadMessage]. See [ParseHead] for its bytes.
//
// # Fork proof
//
// An author who has signed two updates of one seq is convicted by two chains of
// headers, without their changes: both begin behind the same update, their first
// updates differ, and each ends with a signature as a run does.
//
//	struct {
//	    uint64 time;
//	    uint8  kind;
//	    opaque channel<0..64>;
//	    uint32 size;
//	    opaque digest[32];
//	} Commitment;
//
//	struct {
//	    Commitment updates<1..256>; // 2-byte number of updates
//	    opaque signature<1..532>;   // over the last header
//	} Chain;
//
//	struct {
//	    opaque author[34];
//	    uint64 first;    // the first seq at which the histories differ
//	    opaque prev[32]; // the hash of first-1
//	    Chain  chains[2];
//	} Proof;
//
// The chain whose first update has the smaller hash comes first. A proof has at most
// [MaxProof] bytes. [NewProof] makes one of two runs.
//
// Runs, heads and proofs are statements: an [Unverified] one becomes a [Statement] by
// [Open] only.
//
// # Frames
//
// A conversation is a sequence of frames, each at most 1 MiB:
//
//	struct { uint8 type; uint16 handle; uint32 length; opaque body[length]; } Frame;
//
// A handle stands for a topic and is given out by the frame's sender in its
// [Hello]. Hello and Close have handle 0. Types from 128 on may be skipped by who
// does not know them; all others must be understood.
package wire
