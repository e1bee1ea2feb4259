package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// maxPassphrase bounds a passphrase, in bytes; ssh-keygen takes 1,023.
const maxPassphrase = 1023

// passphraseFlag is --passphrase-file.
type passphraseFlag struct{ file string }

func (p *passphraseFlag) add(f *pflag.FlagSet) {
	f.StringVar(&p.file, "passphrase-file", "", "the first line of `FILE` is the key's passphrase")
}

// fromFile returns the first line of --passphrase-file.
func (a *app) passphraseFromFile(p passphraseFlag) ([]byte, error) {
	in, err := a.input(p.file)
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxPassphrase+2))
	if err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) > maxPassphrase {
		return nil, fmt.Errorf("%s: a passphrase has at most %d bytes", p.file, maxPassphrase)
	}
	return line, nil
}

// openPassphrase returns what opens an encrypted key: --passphrase-file, else the
// terminal. It is nil when there is nobody to ask.
func (a *app) openPassphrase(ctx context.Context) func() ([]byte, error) {
	switch {
	case a.keyAccess.file != "":
		return func() ([]byte, error) { return a.passphraseFromFile(a.keyAccess) }
	case isTerminal(a.in):
		return func() ([]byte, error) { return a.ask(ctx, "Passphrase of the key: ") }
	}
	return nil
}

// newPassphrase asks twice for the passphrase of a key that is being made. Without a
// terminal there is none.
func (a *app) newPassphrase(ctx context.Context) ([]byte, error) {
	if !isTerminal(a.in) {
		return nil, nil
	}
	first, err := a.ask(ctx, "Passphrase for the new key (empty for none): ")
	if err != nil {
		return nil, err
	}
	second, err := a.ask(ctx, "The same again: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, second) {
		return nil, errors.New("the two passphrases differ; no key was made")
	}
	return first, nil
}

// ask reads a line from the terminal without showing it. The terminal is as before
// when it returns, whatever ends it.
func (a *app) ask(ctx context.Context, prompt string) ([]byte, error) {
	fd := int(a.in.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	fmt.Fprint(a.err, prompt)
	type answer struct {
		line []byte
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		line, err := term.ReadPassword(fd)
		answers <- answer{line, err}
	}()
	select {
	case <-ctx.Done(): // the reader stays until the program ends, which it now does
		err = errors.Join(context.Cause(ctx), term.Restore(fd, before))
		fmt.Fprintln(a.err)
		return nil, err
	case got := <-answers:
		fmt.Fprintln(a.err)
		if errors.Is(got.err, io.EOF) {
			return nil, errors.New("no passphrase was given")
		}
		return got.line, got.err
	}
}
