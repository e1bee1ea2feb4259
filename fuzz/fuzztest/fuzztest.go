// Package fuzztest is what all fuzz targets have in common: seeds from the corpus, and
// what every function that reads foreign bytes must keep.
//
// A [Decoder] says how one of them is called. Its target checks of each input that the
// function does not panic, returns nothing beside an error, gives an error of the kinds
// it promises, allocates no more than k times the input and a constant, and that what it
// accepts encodes as the very bytes that came: one value has one encoding. Where a value
// may be written in several ways, as in text that people write, it encodes as something
// that reads back as the same value.
//
// The package imports nothing of this module, so that every package's tests may use it.
package fuzztest

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"testing"
)

// Decoder is a function that reads foreign bytes, and what it keeps.
type Decoder[T any] struct {
	// Corpus is the folder in fuzz/corpus that the target is seeded from.
	Corpus string
	// Decode calls the function. Beside an error, T must be its zero value.
	Decode func(b []byte) (T, error)
	// Errors are the kinds of error of which each wraps one; none: any will do.
	Errors []error
	// Encode encodes what was decoded.
	Encode func(T) ([]byte, error)
	// Loose says that a value may have been written otherwise than Encode does.
	Loose bool
	// Alloc bounds what Decode allocates. Zero means DefaultAlloc.
	Alloc Alloc
	// Check, if set, looks at what was accepted.
	Check func(t *testing.T, b []byte, v T)
}

// Fuzz seeds the target from the corpus, of which it checks that it is what it says, and
// runs it.
func (d Decoder[T]) Fuzz(f *testing.F) {
	f.Helper()
	Seed(f, d.Corpus, func(b []byte) error {
		_, err := d.Decode(b)
		return err
	})
	f.Fuzz(d.Test)
}

// Test checks one input.
func (d Decoder[T]) Test(t *testing.T, b []byte) {
	v, accepted, err := d.try(b)
	if err != nil {
		t.Fatal(err)
	}
	if accepted && d.Check != nil {
		d.Check(t, b, v)
	}
}

// try decodes b and says what of the above does not hold.
func (d Decoder[T]) try(b []byte) (v T, accepted bool, broken error) {
	given := bytes.Clone(b)
	var err error
	if broken = d.Alloc.Exceeded(len(b), func() { v, err = d.Decode(b) }); broken != nil {
		return v, false, broken
	}
	if !bytes.Equal(b, given) {
		return v, false, fmt.Errorf("the input was changed to %x", b)
	}
	if err != nil {
		return v, false, d.refused(v, err)
	}
	if d.Encode == nil {
		return v, true, nil
	}
	return v, true, d.encodes(b, v)
}

func (d Decoder[T]) refused(v T, err error) error {
	if r := reflect.ValueOf(&v).Elem(); !r.IsZero() {
		return fmt.Errorf("returned %+v beside the error %w", v, err)
	}
	for _, kind := range d.Errors {
		if errors.Is(err, kind) {
			return nil
		}
	}
	if len(d.Errors) > 0 {
		return fmt.Errorf("an error of no kind that is promised: %w", err)
	}
	return nil
}

func (d Decoder[T]) encodes(b []byte, v T) error {
	again, err := d.Encode(v)
	if err != nil {
		return fmt.Errorf("accepted %q, but it cannot be encoded: %w", b, err)
	}
	if bytes.Equal(again, b) {
		return nil
	}
	if !d.Loose {
		return fmt.Errorf("accepted %x, which encodes as %x", b, again)
	}
	back, err := d.Decode(again)
	if err != nil {
		return fmt.Errorf("accepted %q, which encodes as %q, which is refused: %w", b, again, err)
	}
	if stable, err := d.Encode(back); err != nil || !bytes.Equal(stable, again) {
		return fmt.Errorf("accepted %q, which encodes as %q, which encodes as %q, %v", b, again, stable, err)
	}
	return nil
}
