package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/allowed"
	"github.com/hearsaynet/hearsay/replica/node"
)

const (
	// bundleNamespace is what bundles are signed under.
	bundleNamespace = "hearsay-bundle"
	bundleSuffix    = ".sig"
	maxArmor        = 4 << 10
)

type bundleFlags struct{ key, out string }

func newKeyBundleCmd(a *app) *cobra.Command {
	var f bundleFlags
	cmd := &cobra.Command{
		Use:   "bundle --key ADMINKEY -o OUT PUBFILE|DIR...",
		Short: "Sign the public keys of a fleet as one file",
		Long: `Writes the public keys in each PUBFILE, and in each *.pub file of each DIR, to OUT, an
allowed_signers file, and an administrator's signature over it to OUT.sig. Both are replaced
if they are there. "hearsay trust --bundle OUT" admits them all, and so does "hearsay up
--allowed-signers OUT", which checks no signature.

Each key's principals are its node id and its comment, if that is one word. OUT.sig is what
"ssh-keygen -Y verify -n hearsay-bundle" checks.`,
		Example: `  hearsay keygen --count 100 --out fleet
  hearsay key bundle --key admin.key -o fleet.signers fleet
  hearsay trust --bundle fleet.signers --signer Qm…`,
		Args: takes(1, many),
		RunE: func(cmd *cobra.Command, args []string) error { return a.keyBundle(cmd.Context(), &f, args) },
	}
	fl := cmd.Flags()
	fl.StringVar(&f.key, "key", "", "sign with the private key in `FILE`")
	a.keyAccess.add(fl)
	fl.StringVarP(&f.out, "output", "o", "", "write the bundle to `OUT`, its signature to OUT.sig")
	cmd.MarkFlagFilename("key")
	return cmd
}

func (a *app) keyBundle(ctx context.Context, f *bundleFlags, args []string) error {
	switch {
	case f.key == "":
		return &usageError{"--key FILE is missing", "it is the key whose bundles the fleet believes (trust --signer)"}
	case f.out == "" || f.out == "-":
		return &usageError{"-o OUT is missing", "the bundle goes to OUT, and its signature to OUT.sig"}
	}
	files, err := publicFiles(args)
	if err != nil {
		return err
	}
	admin, err := a.readPrivate(ctx, f.key)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	seen := make(map[keys.NodeID]bool)
	for _, name := range files {
		k, comment, err := a.readPublic(ctx, name)
		if err != nil {
			return err
		}
		if !seen[k.ID()] {
			seen[k.ID()] = true
			fmt.Fprintln(&text, bundleLine(k, comment))
		}
	}
	if text.Len() > allowed.MaxFileSize {
		return fmt.Errorf("the bundle has %d bytes, at most %d: make two", text.Len(), allowed.MaxFileSize)
	}
	sig, err := admin.Sign(ctx, bundleNamespace, text.Bytes())
	if err != nil {
		return err
	}
	if err := admin.Public().Verify(bundleNamespace, text.Bytes(), sig); err != nil {
		return err
	}
	// Between the two renames the signature does not fit, and nobody is admitted.
	for path, data := range map[string][]byte{f.out: text.Bytes(), f.out + bundleSuffix: keys.ArmorSignature(admin.Public(), bundleNamespace, sig)} {
		if err := writeWhole(path, func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.err, "%d keys in %s, signed by %v\n", len(seen), escape(f.out, false), admin.Public().ID())
	return nil
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
			if strings.HasSuffix(e.Name(), ".pub") {
				files = append(files, filepath.Join(arg, e.Name()))
			}
		}
		if len(files) == before {
			return nil, fmt.Errorf("%s: no *.pub file is in it", arg)
		}
	}
	return files, nil
}

var oneWord = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.@_+-]{0,127}$`)

// bundleLine admits k in every namespace of hearsay, and in no other.
func bundleLine(k keys.PublicKey, comment string) string {
	principals := k.ID().String()
	if oneWord.MatchString(comment) {
		principals += "," + comment
	}
	return principals + ` namespaces="hearsay-*" ` + k.AuthorizedKey(comment)
}

// trustBundle admits the keys of a bundle that signer has signed, all or none.
func (a *app) trustBundle(ctx context.Context, path, signer string) error {
	if signer == "" {
		return &usageError{"--signer is missing", "it is the administrator's id, Qm… or SHA256:…, or a file with its public key"}
	}
	id, err := keys.ParseNodeID(signer)
	if err != nil {
		k, _, ferr := a.readPublic(ctx, signer)
		if errors.Is(ferr, fs.ErrNotExist) {
			return usagef("--signer: %q is no node id and no file", signer)
		}
		if ferr != nil {
			return ferr
		}
		id = k.ID()
	}
	text, err := readSigned(path, id)
	if err != nil {
		return fmt.Errorf("%s: nobody is admitted: %w", path, err)
	}
	all, comments, err := bundleKeys(text)
	if err != nil {
		return fmt.Errorf("%s: nobody is admitted: %w", path, err)
	}
	added, err := node.TrustAll(a.data, all, comments)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%d keys, %d of them new, signed by %v\n", len(all), len(added), id)
	return a.print(func(o *output) error {
		for _, k := range all {
			if _, err := fmt.Fprintln(o, k.ID()); err != nil {
				return err
			}
		}
		return nil
	})
}

// readSigned reads a file whose detached signature, in the file beside it, is the
// signer's.
func readSigned(path string, signer keys.NodeID) ([]byte, error) {
	text, err := readBounded(path, allowed.MaxFileSize)
	if err != nil {
		return nil, err
	}
	armored, err := readBounded(path+bundleSuffix, maxArmor)
	if err != nil {
		return nil, err
	}
	k, namespace, sig, err := keys.ParseArmoredSignature(armored)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s%s: %w", path, bundleSuffix, err)
	case k.ID() != signer:
		return nil, fmt.Errorf("it is signed by %v, not by %v", k.ID(), signer)
	case namespace != bundleNamespace:
		return nil, fmt.Errorf("it is signed in namespace %q, not %q", namespace, bundleNamespace)
	}
	return text, k.Verify(bundleNamespace, text, sig)
}

// bundleKeys returns the keys of a bundle. Trusted keys are so at any time, so what is
// bounded in time is refused.
func bundleKeys(text []byte) (all []keys.PublicKey, comments []string, err error) {
	lines, problems := allowed.Parse(text, time.UTC)
	for _, p := range problems {
		err = errors.Join(err, fmt.Errorf("line %d: %w", p.Line, p.Err))
	}
	seen := make(map[keys.NodeID]bool)
	for _, l := range lines {
		switch id := l.Key.ID(); {
		case l.Window != (keys.Window{}):
			err = errors.Join(err, withHint(fmt.Errorf("line %d: it is bounded in time, and trusted keys are not", l.Number), "hearsay up --allowed-signers FILE keeps to the times"))
		case !l.Admits(""):
			err = errors.Join(err, fmt.Errorf("line %d: it admits nobody here (cert-authority, or other namespaces)", l.Number))
		case !seen[id]:
			seen[id] = true
			all, comments = append(all, l.Key), append(comments, l.Comment)
		}
	}
	return all, comments, err
}
