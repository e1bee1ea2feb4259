package store

import "github.com/hearsaynet/hearsay/replica/wire"

const (
	// MaxRecord bounds a record's body, in bytes: records are what arrived in one frame.
	MaxRecord = wire.MaxFrame
	// MaxRecordKind bounds the name of a kind of records, in bytes.
	MaxRecordKind = 32

	// maxBatchRuns and maxBatchBytes bound what one transaction gathers. From 1,024
	// runs on the fsync (0.1 to 1 ms) is a small part of a transaction's cost, and
	// the bytes are what a transaction holds in memory.
	maxBatchRuns  = 1024
	maxBatchBytes = 16 << 20

	// maxScan and maxScanBytes bound what an iterator reads at a time: a read
	// transaction that stays open keeps freed pages from being used again.
	maxScan      = 64
	maxScanBytes = 1 << 20

	// maxStored bounds a stored value, in bytes. A longer one is damage, and is not
	// copied.
	maxStored = checksumSize + wire.MaxFrame

	// maxOpenWalk bounds the file, in bytes, whose pages are all checked when it is
	// opened: a second of reading on a slow disk. Larger ones are checked by Check.
	maxOpenWalk = 256 << 20

	// minGrow and maxGrow bound how much a file grows at a time, in bytes: each time
	// costs an fsync, and what is not needed must not run into a limit of the disk.
	minGrow = 64 << 10
	maxGrow = 16 << 20

	// initialMap is how much address space is reserved for the file, in bytes, on
	// 64-bit machines. Mapping it anew has to wait for every reader.
	initialMap = 1 << 30
)
