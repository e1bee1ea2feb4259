package store

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// format is the version of the file that this package writes.
const format = 1

// The buckets.
var (
	bucketMeta      = []byte("hearsay")
	bucketRuns      = []byte("runs")
	bucketFrontiers = []byte("frontiers")
	bucketKeys      = []byte("keys")
	bucketRecords   = []byte("records")

	keyFormat = []byte("format")
	keyOrigin = []byte("origin")
)

const checksumSize = crc32.Size

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum guards a value together with its place.
func checksum(bucket, key, body []byte) uint32 {
	sum := crc32.Update(0, castagnoli, bucket)
	sum = crc32.Update(sum, castagnoli, key)
	return crc32.Update(sum, castagnoli, body)
}

// seal makes the value that is stored under key.
func seal(bucket, key, body []byte) []byte {
	v := make([]byte, checksumSize, checksumSize+len(body))
	binary.BigEndian.PutUint32(v, checksum(bucket, key, body))
	return append(v, body...)
}

var (
	errChecksum = errors.New("checksum does not match")
	errShape    = errors.New("not of the form that is stored here")
)

// unseal returns the body of a value. It aliases the value.
func unseal(bucket, key, value []byte) ([]byte, error) {
	if len(value) < checksumSize || len(value) > maxStored {
		return nil, errShape
	}
	if binary.BigEndian.Uint32(value) != checksum(bucket, key, value[checksumSize:]) {
		return nil, errChecksum
	}
	return value[checksumSize:], nil
}

func appendName(b []byte, name string) []byte {
	return append(append(b, byte(len(name))), name...)
}

// topicKey is the prefix of all keys of a topic.
func topicKey(topic string) []byte {
	return appendName(make([]byte, 0, 1+len(topic)+keys.IDSize+8), topic)
}

// chainKey is the key in frontiers and keys, and the prefix of an author's runs.
func chainKey(id chainID) []byte { return append(topicKey(id.topic), id.author[:]...) }

func runKey(id chainID, first uint64) []byte {
	return binary.BigEndian.AppendUint64(chainKey(id), first)
}

// kindKey is the prefix of all records of a kind.
func kindKey(topic, kind string) []byte { return appendName(topicKey(topic), kind) }

func recordKey(topic, kind string, a keys.NodeID) []byte {
	return append(kindKey(topic, kind), a[:]...)
}

func cutName(b []byte) (name string, rest []byte, ok bool) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return "", nil, false
	}
	n := 1 + int(b[0])
	return string(b[1:n]), b[n:], true
}

// parseChainKey reads a chainKey and returns what follows it.
func parseChainKey(key []byte) (id chainID, rest []byte, ok bool) {
	topic, rest, ok := cutName(key)
	if !ok || len(rest) < keys.IDSize {
		return chainID{}, nil, false
	}
	return chainID{topic, keys.NodeID(rest[:keys.IDSize])}, rest[keys.IDSize:], true
}

func parseRunKey(key []byte) (id chainID, first uint64, ok bool) {
	id, rest, ok := parseChainKey(key)
	if !ok || len(rest) != 8 {
		return chainID{}, 0, false
	}
	return id, binary.BigEndian.Uint64(rest), true
}

func parseRecordKey(key []byte) (id recordID, ok bool) {
	topic, rest, ok1 := cutName(key)
	kind, rest, ok2 := cutName(rest)
	if !ok1 || !ok2 || len(rest) != keys.IDSize {
		return recordID{}, false
	}
	return recordID{topic, kind, keys.NodeID(rest)}, true
}

func encodeChain(c chain) []byte {
	b := binary.BigEndian.AppendUint64(nil, c.frontier.Seq)
	b = append(b, c.frontier.Hash[:]...)
	return binary.BigEndian.AppendUint64(b, c.end)
}

func decodeChain(a keys.NodeID, b []byte) (chain, error) {
	if len(b) != 8+wire.HashSize+8 {
		return chain{}, errShape
	}
	c := chain{
		frontier: wire.Ref{Author: a, Seq: binary.BigEndian.Uint64(b), Hash: wire.Hash(b[8 : 8+wire.HashSize])},
		end:      binary.BigEndian.Uint64(b[8+wire.HashSize:]),
	}
	if c.frontier.Seq == 0 || c.end < c.frontier.Seq || c.end > wire.MaxInteger {
		return chain{}, errShape
	}
	return c, nil
}

func encodeFormat() []byte { return binary.BigEndian.AppendUint32(nil, format) }

func decodeFormat(b []byte) (uint32, error) {
	if len(b) != 4 {
		return 0, errShape
	}
	return binary.BigEndian.Uint32(b), nil
}

// origin says which file on which machine wrote last.
type origin struct {
	inode   uint64
	machine [machineSize]byte
}

const machineSize = 16

func (o origin) encode() []byte {
	return append(binary.BigEndian.AppendUint64(nil, o.inode), o.machine[:]...)
}

func decodeOrigin(b []byte) (origin, error) {
	if len(b) != 8+machineSize {
		return origin{}, errShape
	}
	return origin{binary.BigEndian.Uint64(b), [machineSize]byte(b[8:])}, nil
}
