package esjson

import "testing"

// TestPlainPrefix: each byte at each place among plain ones ends the prefix if it is not
// plain, and only then.
func TestPlainPrefix(t *testing.T) {
	for c := range 256 {
		plain := c >= ' ' && c < 0x80 && c != '"' && c != '\\'
		for _, beside := range []byte{' ', '!', '#', '[', ']', 'a', 0x7f} {
			for at := range 17 {
				text := make([]byte, 17)
				for i := range text {
					text[i] = beside
				}
				text[at] = byte(c)
				want := at
				if plain {
					want = len(text)
				}
				if got := plainPrefix(text); got != want {
					t.Fatalf("of %q, %d bytes are plain, want %d", text, got, want)
				}
			}
		}
	}
}
