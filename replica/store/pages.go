package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
)

// This file reads bbolt's pages without mapping them: bbolt takes what they say for
// granted, and a length or page number that is wrong makes it read outside the file,
// which kills the process, or write over pages in use. The layout is that of bbolt's
// file version 2, in the machine's byte order:
//
//	struct { uint64 id; uint16 flags; uint16 count; uint32 overflow; } Page;
//	struct { uint32 magic, version, page_size, flags; Bucket root;
//	         uint64 freelist, high_water, txid, fnv64a; } Meta;              // pages 0 and 1
//	struct { uint64 root; uint64 sequence; } Bucket;   // root 0: its one page follows
//	struct { uint32 pos, ksize; uint64 page; } Branch; // count of them, then the keys
//	struct { uint32 flags, pos, ksize, vsize; } Leaf;  // count of them, then keys and values
//	uint64 Freelist[count];                            // count 0xffff: the first one is the count
//
// A node's keys and values follow its elements in order and without gaps, pos counts
// from the element, and a branch names the first key of each child.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2

	pageHeaderSize = 16
	elementSize    = 16
	bucketSize     = 16
	metaSize       = 64 // with its checksum
	metaSummed     = metaSize - 8

	flagBranch   = 0x01
	flagLeaf     = 0x02
	flagMeta     = 0x04
	flagFreelist = 0x10

	flagBucket = 0x01 // of a leaf element

	minPageSize = 1 << 10
	maxPageSize = 1 << 16
	maxPages    = 1 << 40
	maxDepth    = 32
)

var native = binary.NativeEndian

type meta struct {
	pageSize  int64
	root      uint64
	freelist  uint64
	highWater uint64 // first page that was never used
	txid      uint64
}

// errNoMeta is returned for bytes that do not even start like a meta page.
var errNoMeta = errors.New("no meta page")

// readMeta reads the meta page at an offset.
func readMeta(r io.ReaderAt, off int64, id uint64) (meta, error) {
	b := make([]byte, pageHeaderSize+metaSize)
	n, err := r.ReadAt(b, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return meta{}, err
	}
	if n < pageHeaderSize+4 || native.Uint32(b[pageHeaderSize:]) != boltMagic {
		return meta{}, errNoMeta
	}
	h := fnv.New64a()
	p := b[pageHeaderSize:]
	h.Write(p[:metaSummed])
	m := meta{
		pageSize: int64(native.Uint32(p[8:])), root: native.Uint64(p[16:]),
		freelist: native.Uint64(p[32:]), highWater: native.Uint64(p[40:]), txid: native.Uint64(p[48:]),
	}
	switch {
	case n < len(b) || h.Sum64() != native.Uint64(p[metaSummed:]):
		return meta{}, errChecksum
	case native.Uint32(p[4:]) != boltVersion:
		return meta{}, fmt.Errorf("bbolt file version %d, want %d", native.Uint32(p[4:]), boltVersion)
	case native.Uint64(b) != id || native.Uint16(b[8:]) != flagMeta:
		return meta{}, errors.New("its header is not that of a meta page")
	case m.pageSize < minPageSize || m.pageSize > maxPageSize || m.pageSize&(m.pageSize-1) != 0:
		return meta{}, fmt.Errorf("page size %d", m.pageSize)
	case m.highWater < 4 || m.highWater > maxPages:
		return meta{}, fmt.Errorf("%d pages", m.highWater)
	}
	return m, nil
}

// checkFile checks the size and both meta pages of a file, and returns the newer one.
// When only one of them is good, that comes with the *Fault of the other.
//
// bbolt goes on with the older one when the newer is damaged, and so loses the last
// transaction in silence. A meta fits a disk sector, so a crash does not tear it: a
// bad one is damage.
func checkFile(r io.ReaderAt, size int64) (meta, error) {
	m0, err0 := readMeta(r, 0, 0)
	m1, err1 := meta{}, error(nil)
	if err0 == nil {
		m1, err1 = readMeta(r, m0.pageSize, 1)
	} else {
		m1, err1 = findSecondMeta(r)
	}
	newest, fault := m0, error(nil)
	switch {
	case err0 != nil && err1 != nil:
		return meta{}, unreadable(size, err0)
	case err0 != nil:
		newest, fault = m1, badMeta(0, err0)
	case err1 != nil:
		fault = badMeta(1, err1)
	default:
		older := m1
		if m1.txid > m0.txid {
			newest, older = m1, m0
		}
		if newest.pageSize != older.pageSize || newest.txid != older.txid+1 {
			fault = badMeta(older.txid&1, fmt.Errorf("it is not the one before transaction %d", newest.txid))
		}
	}
	if want := int64(newest.highWater) * newest.pageSize; size < want || size%newest.pageSize != 0 {
		return meta{}, fmt.Errorf("cut short: %d of %d bytes: %w", size, max(want, size/newest.pageSize*newest.pageSize+newest.pageSize), ErrDamaged)
	}
	return newest, fault
}

// findSecondMeta looks for the second meta page where the first does not say how long
// a page is.
func findSecondMeta(r io.ReaderAt) (meta, error) {
	for off := int64(minPageSize); off <= maxPageSize; off *= 2 {
		if m, err := readMeta(r, off, 1); err == nil && m.pageSize == off {
			return m, nil
		}
	}
	return meta{}, errNoMeta
}

// unreadable says what a file without a good meta page is. err is the first one's.
func unreadable(size int64, err error) error {
	switch {
	case size == 0:
		return fmt.Errorf("cut short: it is empty: %w", ErrDamaged)
	case errors.Is(err, errNoMeta):
		return ErrNotStore
	case size < pageHeaderSize+metaSize:
		return fmt.Errorf("cut short: %d bytes: %w", size, ErrDamaged)
	}
	return badMeta(0, err)
}

func badMeta(id uint64, err error) error {
	return &Fault{Where: fmt.Sprintf("page %d", id), What: fmt.Sprintf("meta page: %v; the last transaction may be missing", err)}
}

// walker follows all pages from the roots and accounts for each one.
type walker struct {
	r    io.ReaderAt
	meta meta
	seen []uint64 // a bit a page
	n    uint64   // pages seen
}

// checkTree checks that the tree can be followed, and nothing else.
func checkTree(r io.ReaderAt, m meta) error {
	w := &walker{r: r, meta: m, seen: make([]uint64, m.highWater/64+1)}
	return w.tree(m.root, nil, nil, 0)
}

// checkPages checks the structure of the whole file: that bbolt can follow it, finds
// every key in its place, and that each page is in use once or free. The error is a
// *Fault, unless reading fails.
func checkPages(r io.ReaderAt, m meta) error {
	w := &walker{r: r, meta: m, seen: make([]uint64, m.highWater/64+1)}
	if err := w.freelist(); err != nil {
		return err
	}
	if err := w.tree(m.root, nil, nil, 0); err != nil {
		return err
	}
	if want := m.highWater - 2; w.n != want {
		return &Fault{Where: "pages", What: fmt.Sprintf("%d of %d are neither in use nor free", want-w.n, want)}
	}
	return nil
}

func pageFault(id uint64, format string, args ...any) error {
	return &Fault{Where: fmt.Sprintf("page %d", id), What: fmt.Sprintf(format, args...)}
}

// claim marks n pages from id on, which page from refers to, as accounted for.
func (w *walker) claim(from, id, n uint64) error {
	if id < 2 || id >= w.meta.highWater || n > w.meta.highWater-id {
		return pageFault(from, "refers to pages %d to %d of %d", id, id+n-1, w.meta.highWater)
	}
	for i := id; i < id+n; i++ {
		if w.seen[i/64]&(1<<(i%64)) != 0 {
			return pageFault(from, "refers to page %d, which is in use elsewhere or free", i)
		}
		w.seen[i/64] |= 1 << (i % 64)
	}
	w.n += n
	return nil
}

// page is the start of a page, with its overflow; or all of an inline one.
type page struct {
	id     uint64
	flags  uint16
	count  int
	size   int64
	inline bool
	data   []byte // at least the header and the elements
}

// open reads the start of page id, which page from refers to.
func (w *walker) open(from, id uint64) (*page, error) {
	if id < 2 || id >= w.meta.highWater {
		return nil, pageFault(from, "refers to page %d of %d", id, w.meta.highWater)
	}
	off := int64(id) * w.meta.pageSize
	b := make([]byte, w.meta.pageSize)
	if _, err := w.r.ReadAt(b, off); err != nil {
		return nil, err
	}
	p := &page{
		id: id, flags: native.Uint16(b[8:]), count: int(native.Uint16(b[10:])),
		size: (int64(native.Uint32(b[12:])) + 1) * w.meta.pageSize, data: b,
	}
	if native.Uint64(b) != id {
		return nil, pageFault(id, "calls itself %d", native.Uint64(b))
	}
	if err := w.claim(from, id, uint64(p.size/w.meta.pageSize)); err != nil {
		return nil, err
	}
	if p.flags == flagFreelist { // its elements are half as long, and counted by who reads them
		return p, nil
	}
	return p, w.need(p, int64(pageHeaderSize+elementSize*p.count))
}

// need makes at least the first n bytes of p available.
func (w *walker) need(p *page, n int64) error {
	if n > p.size {
		return pageFault(p.id, "%d elements in %d bytes", p.count, p.size)
	}
	have := int64(len(p.data))
	if n <= have {
		return nil
	}
	p.data = append(p.data, make([]byte, n-have)...)
	_, err := w.r.ReadAt(p.data[have:], int64(p.id)*w.meta.pageSize+have)
	return err
}

// bytes returns n bytes of p at off, which lie within its size.
func (w *walker) bytes(p *page, off, n int64) ([]byte, error) {
	if off+n <= int64(len(p.data)) {
		return p.data[off : off+n], nil
	}
	b := make([]byte, n)
	_, err := w.r.ReadAt(b, int64(p.id)*w.meta.pageSize+off)
	return b, err
}

func (w *walker) freelist() error {
	p, err := w.open(w.meta.txid&1, w.meta.freelist)
	if err != nil {
		return err
	}
	if p.flags != flagFreelist {
		return pageFault(p.id, "flags %#x, want a free list", p.flags)
	}
	start, n := int64(pageHeaderSize), uint64(p.count)
	if n == 0xffff {
		if err := w.need(p, start+8); err != nil {
			return err
		}
		n = native.Uint64(p.data[start:])
		start += 8
	}
	if n > uint64(p.size-start)/8 {
		return pageFault(p.id, "%d free pages in a list of %d bytes", n, p.size)
	}
	ids, err := w.bytes(p, start, int64(n)*8)
	if err != nil {
		return err
	}
	for last := uint64(0); len(ids) > 0; ids = ids[8:] {
		id := native.Uint64(ids)
		if id <= last {
			return pageFault(p.id, "free page %d after %d", id, last)
		}
		if err := w.claim(p.id, id, 1); err != nil {
			return err
		}
		last = id
	}
	return nil
}

// tree follows the node id, all of whose keys must be at least low, its first one
// exactly, and below high; nil is no bound.
func (w *walker) tree(id uint64, low, high []byte, depth int) error {
	p, err := w.open(id, id)
	if err != nil {
		return err
	}
	return w.node(p, low, high, depth)
}

func (w *walker) node(p *page, low, high []byte, depth int) error {
	switch {
	case depth > maxDepth:
		return pageFault(p.id, "deeper than %d", maxDepth)
	case p.flags != flagBranch && p.flags != flagLeaf:
		return pageFault(p.id, "flags %#x, want a branch or a leaf", p.flags)
	case p.count == 0 && (p.flags == flagBranch || low != nil):
		return pageFault(p.id, "no elements")
	}
	elements, err := w.elements(p)
	if err != nil {
		return err
	}
	for i, e := range elements {
		if i == 0 && low != nil && !bytes.Equal(e.key, low) {
			return pageFault(p.id, "its first key is not the one that its parent names")
		}
		if i > 0 && bytes.Compare(elements[i-1].key, e.key) >= 0 {
			return pageFault(p.id, "key %d is not above the one before", i)
		}
		if high != nil && bytes.Compare(e.key, high) >= 0 {
			return pageFault(p.id, "key %d belongs to the next page", i)
		}
	}
	for i, e := range elements {
		next := high
		if i+1 < len(elements) {
			next = elements[i+1].key
		}
		if err := w.below(p, e, next, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// element is a key and what stands with it.
type element struct {
	key    []byte
	child  uint64 // of a branch
	bucket []byte // value of a leaf element that is a bucket
}

// below follows what an element of p refers to.
func (w *walker) below(p *page, e element, high []byte, depth int) error {
	if p.flags == flagBranch {
		return w.tree(e.child, e.key, high, depth)
	}
	if e.bucket == nil {
		return nil
	}
	if root := native.Uint64(e.bucket); root != 0 {
		return w.tree(root, nil, nil, depth)
	}
	return w.inline(p, e.bucket[bucketSize:], depth)
}

// inline checks a bucket whose one page is part of a value of p.
func (w *walker) inline(p *page, b []byte, depth int) error {
	if len(b) < pageHeaderSize {
		return pageFault(p.id, "inline bucket of %d bytes", len(b))
	}
	in := &page{
		id: p.id, flags: native.Uint16(b[8:]), count: int(native.Uint16(b[10:])),
		size: int64(len(b)), inline: true, data: b,
	}
	if native.Uint64(b) != 0 || in.flags != flagLeaf || native.Uint32(b[12:]) != 0 {
		return pageFault(p.id, "the header of an inline bucket is wrong")
	}
	if err := w.need(in, int64(pageHeaderSize+elementSize*in.count)); err != nil {
		return err
	}
	return w.node(in, nil, nil, depth)
}

// elements reads the keys of a branch or leaf.
func (w *walker) elements(p *page) ([]element, error) {
	out := make([]element, p.count)
	off := int64(pageHeaderSize + elementSize*p.count)
	for i := range out {
		at := int64(pageHeaderSize + elementSize*i)
		b := p.data[at:]
		var flags uint32
		var pos, ksize, vsize int64
		if p.flags == flagBranch {
			pos, ksize, out[i].child = int64(native.Uint32(b)), int64(native.Uint32(b[4:])), native.Uint64(b[8:])
		} else {
			flags, pos = native.Uint32(b), int64(native.Uint32(b[4:]))
			ksize, vsize = int64(native.Uint32(b[8:])), int64(native.Uint32(b[12:]))
		}
		end := off + ksize + vsize
		if at+pos != off || ksize == 0 || end > p.size || flags&^flagBucket != 0 || p.inline && flags != 0 {
			return nil, pageFault(p.id, "element %d of %d is wrong", i, p.count)
		}
		var err error
		if out[i].key, err = w.bytes(p, off, ksize); err != nil {
			return nil, err
		}
		if flags == flagBucket {
			if vsize < bucketSize || vsize > w.meta.pageSize {
				return nil, pageFault(p.id, "bucket of %d bytes", vsize)
			}
			if out[i].bucket, err = w.bytes(p, off+ksize, vsize); err != nil {
				return nil, err
			}
		}
		off = end
	}
	if p.inline && off != p.size {
		return nil, pageFault(p.id, "inline bucket of %d bytes, %d used", p.size, off)
	}
	return out, nil
}
