package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hearsaynet/hearsay/fuzz/fuzztest"
)

// corpus is the files, by their paths in fuzz/corpus.
type corpus struct {
	files map[string][]byte
	err   error // the first
}

// build makes all corpora, with the key files of a folder.
func build(keyDir string) (*corpus, error) {
	c := &corpus{files: make(map[string][]byte)}
	c.messages()
	c.statements()
	c.exports()
	c.archives()
	c.publicKeys()
	c.signatures()
	c.keyLists()
	c.keyBundles()
	c.links()
	c.agents()
	c.stored()
	c.standings()
	c.crashes()
	c.texts()
	c.scuttlebutt()
	c.changes()
	c.textChanges()
	c.sequenceChanges()
	c.keyFiles(keyDir)
	return c, c.err
}

func (c *corpus) add(decoder, verdict, name string, b []byte) {
	p := path.Join(decoder, verdict, name)
	if c.files[p] != nil && !bytes.Equal(c.files[p], b) {
		c.fail(fmt.Errorf("%s is made twice", p))
	}
	c.files[p] = append([]byte{}, b...)
}

func (c *corpus) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}

func (c *corpus) good(decoder, name string, b []byte) { c.add(decoder, fuzztest.Accepted, name, b) }

func (c *corpus) bad(decoder, name string, b []byte) { c.add(decoder, fuzztest.Refused, name, b) }

// strict adds a value, and what every strict decoder refuses of it.
func (c *corpus) strict(decoder, name string, b []byte) {
	c.good(decoder, name, b)
	c.bad(decoder, "nothing", nil)
	c.bad(decoder, name+"-cut-short", b[:len(b)-1])
	c.bad(decoder, name+"-half", b[:len(b)/2])
	c.bad(decoder, name+"-and-a-byte", append(bytes.Clone(b), 0))
}

func (c *corpus) decoders() []string {
	set := make(map[string]bool)
	for p := range c.files {
		decoder, _, _ := strings.Cut(p, "/")
		set[decoder] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// write makes dir hold these files and no others of these decoders.
func (c *corpus) write(dir string) error {
	for _, decoder := range c.decoders() {
		if err := os.RemoveAll(filepath.Join(dir, decoder)); err != nil {
			return err
		}
	}
	for p, b := range c.files {
		name := filepath.Join(dir, filepath.FromSlash(p))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, b, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// patched returns b with the bytes from off on replaced by with.
func patched(b []byte, off int, with ...byte) []byte {
	b = bytes.Clone(b)
	copy(b[off:], with)
	return b
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
