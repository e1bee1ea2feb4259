package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/fnv"
	"os"
	"path/filepath"
	"testing"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/internal/wiretest"
	"github.com/hearsaynet/hearsay/replica/wire"
)

// value is a value of the file, with its place: an opaque bucket<0..255>, an opaque
// key<0..65535>, and the body without its checksum, which no fuzzer would find.
type value struct {
	bucket    string
	key, body []byte
}

func splitValue(b []byte) (v value, ok bool) {
	bucket, rest, ok := cutName(b)
	if !ok || len(rest) < 2 {
		return value{}, false
	}
	n := int(binary.BigEndian.Uint16(rest))
	if rest = rest[2:]; n > len(rest) {
		return value{}, false
	}
	return value{bucket, rest[:n], rest[n:]}, true
}

func (v value) join() []byte {
	b := appendName(nil, v.bucket)
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(v.key))), v.key...)
	return append(b, v.body...)
}

// readValue reads a value as the store does, and returns what it encodes as again.
func readValue(b []byte) (value, error) {
	v, ok := splitValue(b)
	if !ok {
		return value{}, errShape
	}
	sealed := seal([]byte(v.bucket), v.key, v.body)
	switch v.bucket {
	case string(bucketFrontiers):
		id, c, fault := decodeFrontier(v.key, sealed)
		if fault != nil {
			return value{}, fault
		}
		return value{v.bucket, chainKey(id), encodeChain(c)}, nil
	case string(bucketKeys):
		id, rest, ok := parseChainKey(v.key)
		if !ok || len(rest) > 0 {
			return value{}, errShape
		}
		k, err := decodeKey(id, v.key, sealed)
		if err != nil {
			return value{}, err
		}
		return value{v.bucket, chainKey(id), k.Wire()}, nil
	case string(bucketRuns):
		return readRunValue(v)
	case string(bucketRecords):
		id, ok := parseRecordKey(v.key)
		r, err := decodeRecord(v.key, sealed)
		if ok == (err != nil) || err == nil && r.Author != id.author {
			panic("the key and the record are two things")
		}
		if err != nil {
			return value{}, err
		}
		return value{v.bucket, recordKey(id.topic, id.kind, id.author), r.Body}, nil
	}
	return value{}, errShape
}

func readRunValue(v value) (value, error) {
	id, first, ok := parseRunKey(v.key)
	if !ok {
		return value{}, errShape
	}
	r, err := wire.InsecureReopenRun(id.topic, keys.PublicKey{}, v.body)
	if err != nil {
		return value{}, err
	}
	if r.Author() != id.author || r.First() != first {
		return value{}, errShape
	}
	return value{v.bucket, runKey(id, first), r.Body()}, nil
}

func FuzzValue(f *testing.F) {
	fuzztest.Decoder[value]{
		Corpus: "store-value", Decode: readValue,
		Encode: func(v value) ([]byte, error) { return v.join(), nil },
		Check: func(t *testing.T, _ []byte, v value) {
			sealed := seal([]byte(v.bucket), v.key, v.body)
			sealed[len(v.body)/2] ^= 1
			if body, err := unseal([]byte(v.bucket), v.key, sealed); !errors.Is(err, errChecksum) || body != nil {
				t.Fatalf("a flipped bit is read as %x, %v", body, err)
			}
		},
	}.Fuzz(f)
}

// FuzzFile changes bytes of a good file, each named by its page and place, and looks at
// the structure as the store does before it lets bbolt near: nothing that a file says may
// crash it, nor make it read or keep more than the file.
func FuzzFile(f *testing.F) {
	good := goodFile(f)
	if err := checkBytes(good); err != nil {
		f.Fatal(err)
	}
	const pages = 8
	pageSize := os.Getpagesize()
	if len(good) < 2*pageSize {
		f.Fatalf("a file of %d bytes", len(good))
	}
	f.Add([]byte{})
	for page := range byte(pages) {
		for _, at := range []byte{0, 8, 10, 12, 16, 24, 32, 40, 48} {
			f.Add([]byte{page, 0, at, 0xff})
		}
	}
	f.Fuzz(func(t *testing.T, patches []byte) {
		file := bytes.Clone(good)
		for ; len(patches) >= 4; patches = patches[4:] {
			at := int(patches[0]%pages)*pageSize + int(binary.BigEndian.Uint16(patches[1:]))%pageSize
			if at < len(file) {
				file[at] = patches[3]
			}
		}
		if len(patches) == 3 { // cut short
			file = file[:int(patches[0])<<16%(len(file)+1)]
		}
		sumMetas(file, pageSize)
		var err error
		fuzztest.Alloc{PerByte: 4, Constant: 256 << 10}.Check(t, len(file), func() { err = checkBytes(file) })
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotStore) {
			t.Fatalf("an error of no kind: %v", err)
		}
	})
}

func checkBytes(file []byte) error {
	r := bytes.NewReader(file)
	m, err := checkFile(r, int64(len(file)))
	if err != nil {
		return err
	}
	return errors.Join(checkTree(r, m), checkPages(r, m))
}

// sumMetas makes the checksums of both meta pages right, which no fuzzer would find.
func sumMetas(file []byte, pageSize int) {
	for at := pageHeaderSize; at < 2*pageSize && at+metaSize <= len(file); at += pageSize {
		h := fnv.New64a()
		h.Write(file[at : at+metaSummed])
		native.PutUint64(file[at+metaSummed:], h.Sum64())
	}
}

// goodFile is a store of 20 authors.
func goodFile(f *testing.F) []byte {
	path := filepath.Join(f.TempDir(), "store")
	b, err := OpenBolt(path, BoltOptions{})
	if err != nil {
		f.Fatal(err)
	}
	for _, a := range wiretest.NewAuthors("a", 20) {
		if err := b.Append(f.Context(), a.Chain("t", a.Start(), 3, 1)...); err != nil {
			f.Fatal(err)
		}
	}
	if err := b.Close(); err != nil {
		f.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	return file
}
