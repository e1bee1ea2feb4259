package wire

import "github.com/hearsaynet/hearsay/keys"

// These limits decide what is accepted, so they are part of the protocol: no
// configuration changes them.
const (
	// MaxFrame bounds a frame's body, in bytes. One frame is what a peer can make
	// us hold before anything of it is checked.
	MaxFrame = 1 << 20
	// MaxEntries bounds the updates under one signature. At 256 the signature costs
	// a third of the hashing (75 µs against 256 × 0.9 µs); more gains nothing.
	MaxEntries = 256
	// MaxChange bounds a change, in bytes: a run of one must fit a frame, and its
	// other fields need less than 4 KiB.
	MaxChange = MaxFrame - 4<<10
	// MaxProof bounds a fork proof, in bytes: two chains of MaxEntries updates with the
	// longest channels and signatures.
	MaxProof = placeSize + 2*(2+MaxEntries*(minCommitmentSize+MaxChannel)+2+keys.MaxSignatureSize)
	// MaxTopic and MaxChannel bound names, in bytes.
	MaxTopic   = 255
	MaxChannel = 64
	// MaxInteger bounds every integer, so that it fits a signed 64-bit one.
	MaxInteger = 1<<63 - 1
	// MaxTopics bounds the topics named in one Hello.
	MaxTopics = 64
	// MaxAgent and MaxMeta bound a Hello's free fields, in bytes.
	MaxAgent = 255
	MaxMeta  = 4096
	// MaxCloseText bounds the text of a Close, in bytes.
	MaxCloseText = 255
	// MaxDigestRefs is how many authors one Digest frame can name.
	MaxDigestRefs = (MaxFrame - digestHeaderSize) / refSize
)

const (
	refSize           = keys.IDSize + 8 + HashSize
	digestHeaderSize  = 8 + 1 + 1
	placeSize         = keys.IDSize + 8 + HashSize
	runHeaderSize     = placeSize + 2
	frameHeaderSize   = 1 + 2 + 4
	minEntrySize      = 8 + 1 + 1 + 1 + 4
	minCommitmentSize = 8 + 1 + 1 + 4 + HashSize
)
