package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/bundle"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/sign"
)

const bundleSuffix = ".sig"

type bundleFlags struct {
	admin     adminFlags
	out, name string
	expires   time.Duration
	version   uint64
}

func newKeyBundleCmd(a *app) *cobra.Command {
	var f bundleFlags
	cmd := &cobra.Command{
		Use:   "bundle --key ADMINKEY -o OUT PUBFILE|DIR...",
		Short: "Sign the public keys of a fleet as one file",
		Long: `Writes the public keys in each PUBFILE, and in each *.pub file of each DIR, to OUT, an
allowed_signers file, and an administrator's signature over it to OUT.sig, and prints the
bundle's version. "hearsay trust --bundle OUT" admits all of them until the bundle expires.

Versions rise: a bundle that is in OUT already gets a newer one in its place, and who has
admitted that refuses those before it. Keep OUT, then, and its name: the name stands in the
bundle (--name), and versions of one name are compared.

A key's principals are its node id and its comment, if that is one word, no other key's
comment and no id. OUT.sig is what "ssh-keygen -Y verify -n hearsay-bundle" checks. "hearsay
up --allowed-signers OUT" works as well, and checks neither signature nor version.`,
		Example: `  hearsay keygen --count 100 --out fleet
  hearsay key bundle --key admin.key -o fleet.signers fleet
  hearsay trust --bundle fleet.signers --signer Qm…`,
		Args: takes(1, many),
		RunE: func(cmd *cobra.Command, args []string) error { return a.keyBundle(cmd.Context(), &f, args) },
	}
	f.admin.add(a, cmd)
	fl := cmd.Flags()
	fl.StringVarP(&f.out, "output", "o", "", "write the bundle to `OUT`, its signature to OUT.sig")
	fl.StringVar(&f.name, "name", "", "call it `NAME` (default: the name of OUT)")
	fl.DurationVar(&f.expires, "expires", 30*24*time.Hour, "it can be admitted for the first time for `DURATION`")
	fl.Uint64Var(&f.version, "version", 0, "give it version `N`, above the one before (default: the next)")
	return cmd
}

func (f *bundleFlags) check() error {
	if err := f.admin.check("it is the key whose bundles the fleet believes (trust --signer)"); err != nil {
		return err
	}
	if f.out == "" || f.out == "-" {
		return &usageError{"-o OUT is missing", "the bundle goes to OUT, and its signature to OUT.sig"}
	}
	if f.name == "" {
		f.name = filepath.Base(f.out)
	}
	if err := bundle.CheckName(f.name); err != nil {
		return &usageError{withoutPackage(err.Error()), "--name NAME gives it another than that of OUT"}
	}
	if f.expires < time.Minute || f.expires > bundle.MaxLife {
		return usagef("--expires is 1m to %v, not %v", bundle.MaxLife, f.expires)
	}
	return nil
}

func (a *app) keyBundle(ctx context.Context, f *bundleFlags, args []string) error {
	if err := f.check(); err != nil {
		return err
	}
	members, err := a.bundleMembers(ctx, args)
	if err != nil {
		return err
	}
	admin, err := f.admin.signer(ctx, a)
	if err != nil {
		return err
	}
	before, err := oldBundle(f.out, admin.Public().ID())
	if err != nil {
		return err
	}
	b := &bundle.Bundle{Name: f.name, Members: members}
	if b.Version, err = nextVersion(f.version, before); err != nil {
		return err
	}
	b.Issued, b.Expires = lifetime(f.expires)
	if err := writeBundle(ctx, admin, b, f.out); err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%d keys in %s, to be admitted until %s, signed by %v\n", len(members), escapeLine(f.out), b.Expires.Format(time.RFC3339), admin.Public().ID())
	if b.Version == 1 {
		a.hint("hearsay trust --bundle %s --signer %v admits them, with %[1]s%[3]s beside it", shellQuote(f.out), admin.Public().ID(), bundleSuffix)
	}
	return a.print(func(o *output) error {
		_, err := fmt.Fprintln(o, b.Version)
		return err
	})
}

// bundleMembers reads public keys, each once. A comment becomes a name unless it might
// be taken for another member's.
func (a *app) bundleMembers(ctx context.Context, args []string) (members []bundle.Member, err error) {
	files, err := publicFiles(args)
	if err != nil {
		return nil, err
	}
	seen := make(map[keys.NodeID]bool)
	named := make(map[string]int)
	for _, name := range files {
		k, comment, err := a.readPublic(ctx, name)
		if err != nil {
			return nil, err
		}
		if !seen[k.ID()] {
			seen[k.ID()] = true
			named[comment]++
			members = append(members, bundle.Member{Key: k, Comment: comment})
		}
	}
	for i := range members {
		m := &members[i]
		_, err := keys.ParseNodeID(m.Comment)
		switch {
		case err == nil && m.Comment != m.Key.ID().String():
			a.warn("the comment of %v is an id: it is no principal", m.Key.ID())
		case !bundle.IsPrincipal(m.Comment):
		case named[m.Comment] > 1:
			a.warn("the comment of %v, %s, is that of %d keys: it is no principal", m.Key.ID(), escapeLine(m.Comment), named[m.Comment])
		default:
			m.Names = []string{m.Comment}
		}
	}
	return members, nil
}

// oldBundle returns the version of the bundle that is in a file now, 0 if there is none.
func oldBundle(path string, signer keys.NodeID) (version uint64, err error) {
	text, armored, err := readBundle(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
	}
	var b *bundle.Bundle
	if err == nil {
		b, err = bundle.Open(text, armored, signer)
	}
	if err != nil {
		return 0, withHint(fmt.Errorf("%s, which is to be replaced: %s", path, withoutPackage(err.Error())),
			"move it away to start anew; who has admitted its versions refuses lower ones (--version)")
	}
	return b.Version, nil
}

// nextVersion returns the one that was asked for, or the one after before. Both stay
// below 2^63, as all integers do that are signed.
func nextVersion(wanted, before uint64) (uint64, error) {
	switch {
	case wanted > math.MaxInt64:
		return 0, usagef("--version is at most %d", math.MaxInt64)
	case wanted == 0 && before >= math.MaxInt64:
		return 0, fmt.Errorf("version %d is the last one that there is: start anew with another administrator's key", before)
	case wanted == 0:
		return before + 1, nil
	case wanted <= before:
		return 0, usagef("--version %d is not above %d, that of the one before", wanted, before)
	}
	return wanted, nil
}

// lifetime returns now, and when what is good for d expires.
func lifetime(d time.Duration) (issued, expires time.Time) {
	issued = time.Now().UTC().Truncate(time.Second)
	return issued, issued.Add(d.Truncate(time.Second))
}

func writeBundle(ctx context.Context, admin sign.Signer, b *bundle.Bundle, path string) error {
	text, err := b.Text()
	if err != nil {
		return err
	}
	sig, err := admin.Sign(ctx, bundle.Namespace, text)
	if err != nil {
		return err
	}
	armored, err := bundle.Seal(text, admin.Public(), sig)
	if err != nil {
		return err
	}
	// Between the two renames the signature does not fit, and nobody is admitted.
	for path, data := range map[string][]byte{path: text, path + bundleSuffix: armored} {
		if err := writeWhole(path, func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
			return err
		}
	}
	return nil
}

func readBundle(path string) (text, armored []byte, err error) {
	if text, err = readBounded(path, bundle.MaxSize); err != nil {
		return nil, nil, err
	}
	armored, err = readBounded(path+bundleSuffix, bundle.MaxSignature)
	return text, armored, err
}

// publicFiles returns the files that are named, and the *.pub files of directories.
func publicFiles(args []string) (files []string, err error) {
	for _, arg := range args {
		info, err := os.Stat(arg)
		if arg != "-" && err != nil {
			return nil, err
		}
		if arg == "-" || !info.IsDir() {
			files = append(files, arg)
			continue
		}
		entries, err := os.ReadDir(arg) // sorted
		if err != nil {
			return nil, err
		}
		before := len(files)
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".pub") {
				continue
			}
			name := filepath.Join(arg, e.Name())
			if info, err := os.Stat(name); err != nil {
				return nil, err
			} else if !info.Mode().IsRegular() { // opening a pipe would block
				return nil, fmt.Errorf("%s: not a regular file", name)
			}
			files = append(files, name)
		}
		if len(files) == before {
			return nil, fmt.Errorf("%s: no *.pub file is in it", arg)
		}
	}
	return files, nil
}

// trustBundle admits the keys of a bundle that signer has signed, all or none.
func (a *app) trustBundle(ctx context.Context, path, signer string, force bool) error {
	id, err := a.parseSigner(ctx, "--signer", signer)
	if err != nil {
		return err
	}
	text, armored, err := readBundle(path)
	if err != nil {
		return fmt.Errorf("%s: nobody is admitted: %w", path, err)
	}
	r, err := node.TrustBundle(a.data, text, armored, id, force)
	switch {
	case errors.Is(err, node.ErrBundleRollback), errors.Is(err, node.ErrBundleExpired):
		return withHint(fmt.Errorf("%s: nobody is admitted: %s", path, withoutPackage(err.Error())), "ask the administrator for the newest bundle; --force admits this one all the same")
	case err != nil:
		return fmt.Errorf("%s: nobody is admitted: %s", path, withoutPackage(err.Error()))
	case r.Again:
		fmt.Fprintf(a.err, "%s version %d was admitted before: %d of its %d keys are trusted\n", r.Name, r.Version, len(r.Trusted), len(r.Members))
		if len(r.Trusted) < len(r.Members) {
			a.hint("those withdrawn since stay so; --force admits them again")
		}
	default:
		fmt.Fprintf(a.err, "%s version %d: %d keys, %d of them new, signed by %v\n", r.Name, r.Version, len(r.Members), len(r.Added), id)
	}
	return a.print(func(o *output) error {
		for _, id := range r.Trusted {
			if _, err := fmt.Fprintln(o, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// parseSigner reads what a flag was given: an id, or the key in a file.
func (a *app) parseSigner(ctx context.Context, flag, signer string) (keys.NodeID, error) {
	if signer == "" {
		return keys.NodeID{}, &usageError{flag + " is missing", "it is the administrator's id, Qm… or SHA256:…, or a file with its public key"}
	}
	if id, err := keys.ParseNodeID(signer); err == nil {
		return id, nil
	}
	k, _, err := a.readPublic(ctx, signer)
	if errors.Is(err, fs.ErrNotExist) {
		return keys.NodeID{}, usagef("%s: %q is no node id and no file", flag, signer)
	}
	return k.ID(), err
}
