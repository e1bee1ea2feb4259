package text

import "math/bits"

// appendVarint encodes v, below 2^62, in the shortest form (RFC 9000, section 16).
func appendVarint(b []byte, v uint64) []byte {
	n := varintSize(v)
	v |= uint64(bits.Len(uint(n))-1) << (8*n - 2)
	for i := 8*n - 8; i >= 0; i -= 8 {
		b = append(b, byte(v>>i))
	}
	return b
}

// varintSize returns how many bytes appendVarint takes for v.
func varintSize(v uint64) int {
	n := 1
	for bits.Len64(v) > 8*n-2 {
		n *= 2
	}
	return n
}

// reader takes apart what appendVarint and others have joined.
type reader struct{ b []byte }

func (r *reader) bytes(n uint64) (b []byte, ok bool) {
	if n > uint64(len(r.b)) {
		return nil, false
	}
	b, r.b = r.b[:n:n], r.b[n:]
	return b, true
}

func (r *reader) uint8() (v int, ok bool) {
	b, ok := r.bytes(1)
	if !ok {
		return 0, false
	}
	return int(b[0]), true
}

// varint reads an integer in the shortest form and in no other.
func (r *reader) varint() (v uint64, ok bool) {
	if len(r.b) == 0 {
		return 0, false
	}
	b, ok := r.bytes(1 << (r.b[0] >> 6))
	if !ok {
		return 0, false
	}
	v = uint64(b[0] & 0x3f)
	for _, c := range b[1:] {
		v = v<<8 | uint64(c)
	}
	return v, varintSize(v) == len(b)
}
