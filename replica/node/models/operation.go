package models

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"unicode/utf8"

	"github.com/hearsaynet/hearsay/replica"
)

// Doer carries operations out. A node does, running or not.
type Doer interface {
	// Do carries the operation of that name out on the model of a channel, "" for the
	// one with the model's name, and yields its answers. One that follows ends with ctx.
	Do(ctx context.Context, name, channel string, request json.RawMessage) iter.Seq2[json.RawMessage, error]
}

// Operation takes a Request and answers with any number of Answers.
type Operation[Request, Answer any] struct{ name string }

// All carries the operation out, and yields its answers.
func (o Operation[Request, Answer]) All(ctx context.Context, d Doer, channel string, q Request) iter.Seq2[Answer, error] {
	return func(yield func(Answer, error) bool) {
		var none Answer
		if !isText(reflect.ValueOf(q)) { // JSON would change it
			yield(none, fmt.Errorf("models: text that is %w", ErrNotUTF8))
			return
		}
		request, err := json.Marshal(q)
		if err != nil {
			yield(none, fmt.Errorf("models: %s: %w", o.name, err))
			return
		}
		for answer, err := range d.Do(ctx, o.name, channel, request) {
			if err != nil {
				yield(none, err)
				return
			}
			a := none
			if err := json.Unmarshal(answer, &a); err != nil {
				yield(none, fmt.Errorf("models: answer to %s: %w", o.name, err))
				return
			}
			if !yield(a, nil) {
				return
			}
		}
	}
}

// One carries the operation out, and returns its first answer.
func (o Operation[Request, Answer]) One(ctx context.Context, d Doer, channel string, q Request) (a Answer, err error) {
	for a, err := range o.All(ctx, d, channel, q) {
		return a, err
	}
	return a, fmt.Errorf("models: %s has no answer", o.name)
}

// isText reports whether all strings in a request are UTF-8.
func isText(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.String:
		return utf8.ValidString(v.String())
	case reflect.Struct:
		for _, field := range v.Fields() {
			if !isText(field) {
				return false
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return true // goes as base64
		}
		for i := range v.Len() {
			if !isText(v.Index(i)) {
				return false
			}
		}
	}
	return true
}

// effect is what an operation does besides answering.
type effect uint8

const (
	reads   effect = 1
	writes  effect = 2 // it signs updates
	follows effect = 3 // it goes on until its context ends
)

// operation is an Operation as a Set carries it out.
type operation struct {
	effect effect
	do     func(ctx context.Context, s *Set, channel string, request json.RawMessage) iter.Seq2[any, error]
}

// operations are all of them, by name.
var operations = make(map[string]operation)

// Writes reports whether an operation signs updates.
func Writes(name string) bool { return operations[name].effect == writes }

// Follows reports whether an operation goes on until its context ends.
func Follows(name string) bool { return operations[name].effect == follows }

// kind is a data model: the noun of its operations, and how it is mounted.
type kind[Model closer] struct {
	noun  string
	mount func(r *replica.Replica, channel string) (Model, error)
}

type closer interface{ Close() }

// read adds an operation with one answer.
func read[M closer, Q, A any](k kind[M], verb string, f func(ctx context.Context, m M, q Q) (A, error)) Operation[Q, A] {
	return add(k, verb, reads, one(f))
}

// each adds an operation with any number of answers.
func each[M closer, Q, A any](k kind[M], verb string, f func(ctx context.Context, m M, q Q) iter.Seq2[A, error]) Operation[Q, A] {
	return add(k, verb, reads, f)
}

// write adds an operation that signs updates, and has one answer.
func write[M closer, Q, A any](k kind[M], verb string, f func(ctx context.Context, m M, q Q) (A, error)) Operation[Q, A] {
	return add(k, verb, writes, one(f))
}

// writeMany adds an operation that signs updates, with an answer for each thing that it
// has written, also when it fails later.
func writeMany[M closer, Q, A any](k kind[M], verb string, f func(ctx context.Context, m M, q Q) ([]A, error)) Operation[Q, A] {
	return add(k, verb, writes, func(ctx context.Context, m M, q Q) iter.Seq2[A, error] {
		return func(yield func(A, error) bool) {
			answers, err := f(ctx, m, q)
			for _, a := range answers {
				if !yield(a, nil) {
					return
				}
			}
			if err != nil {
				yield(*new(A), err)
			}
		}
	})
}

// follow adds an operation that answers until its context ends.
func follow[M closer, Q, A any](k kind[M], verb string, f func(ctx context.Context, m M, q Q) iter.Seq2[A, error]) Operation[Q, A] {
	return add(k, verb, follows, f)
}

// mapped yields items as show has them.
func mapped[T, A any](items iter.Seq[T], show func(T) A) iter.Seq2[A, error] {
	return func(yield func(A, error) bool) {
		for item := range items {
			if !yield(show(item), nil) {
				return
			}
		}
	}
}

// watched yields what watch tells from now on, as show has it.
func watched[C, A any](ctx context.Context, watch func(context.Context) (<-chan C, error), show func(C) A) iter.Seq2[A, error] {
	return func(yield func(A, error) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		changes, err := watch(ctx)
		if err != nil {
			yield(*new(A), err)
			return
		}
		for c := range changes {
			if !yield(show(c), nil) {
				return
			}
		}
	}
}

func one[M closer, Q, A any](f func(ctx context.Context, m M, q Q) (A, error)) func(context.Context, M, Q) iter.Seq2[A, error] {
	return func(ctx context.Context, m M, q Q) iter.Seq2[A, error] {
		return func(yield func(A, error) bool) { yield(f(ctx, m, q)) }
	}
}

func add[M closer, Q, A any](k kind[M], verb string, e effect, f func(ctx context.Context, m M, q Q) iter.Seq2[A, error]) Operation[Q, A] {
	name := k.noun + "/" + verb
	operations[name] = operation{e, func(ctx context.Context, s *Set, channel string, request json.RawMessage) iter.Seq2[any, error] {
		return func(yield func(any, error) bool) {
			var q Q
			if err := json.Unmarshal(request, &q); err != nil {
				yield(nil, fmt.Errorf("models: request of %s: %w", name, err))
				return
			}
			m, leave, err := enter(s, k, channel)
			if err != nil {
				yield(nil, err)
				return
			}
			defer leave()
			for a, err := range f(ctx, m, q) {
				if !yield(a, err) || err != nil {
					return
				}
			}
		}
	}}
	return Operation[Q, A]{name}
}
