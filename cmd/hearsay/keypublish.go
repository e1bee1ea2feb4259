package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/dir"
	"github.com/hearsaynet/hearsay/keys/durable"
	"github.com/hearsaynet/hearsay/keys/roster"
	"github.com/hearsaynet/hearsay/sign"
)

type publishFlags struct {
	admin   adminFlags
	admit   []string
	remove  []string
	until   []string
	copy    string
	expires time.Duration
	version uint64
}

func newKeyPublishCmd(a *app) *cobra.Command {
	var f publishFlags
	cmd := &cobra.Command{
		Use:   "publish --data DIR --key ADMINKEY",
		Short: "Sign the list of keys that a key server serves",
		Long: `Signs DIR/list with a version above the one before, and prints the version. The list admits
whom the one before did, and those that --admit names; --withdraw takes ids out. Their keys
are in DIR/keys: one that lies there and was never admitted is refused, as is an id of the
list whose key is gone, because whoever can write there would decide. With --until the updates
that a key signs after TIME count no more, and those before do.

The list before is the one in DIR, checked to be signed by ADMINKEY. Who can write there could
put an old one back: --list FILE keeps a copy where only you can write, and goes by that.

Sign again before the list expires: nodes then neither admit nor refuse anybody until
there is a new one.`,
		Example: `  hearsay key publish --data ./keys --key admin.key --admit ada.pub --admit fleet
  hearsay key publish --data ./keys --key admin.key --list my.list --withdraw Qm… --expires 72h`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.keyPublish(cmd.Context(), &f) },
	}
	f.admin.add(a, cmd)
	fl := cmd.Flags()
	fl.StringArrayVar(&f.admit, "admit", nil, "admit the key in `PUBFILE`, or those in the *.pub files of a directory; may be given several times")
	listVar(fl, &f.remove, "withdraw", "withdraw the key of `ID`; may be given several times", checkID)
	listVar(fl, &f.until, "until", "have `ID=TIME` count until TIME, YYYYMMDD or YYYYMMDDHHMMSS in UTC; ID= for ever", checkUntil)
	fl.StringVar(&f.copy, "list", "", "keep the list in `FILE` as well, and go by that copy if it is there")
	fl.DurationVar(&f.expires, "expires", 7*24*time.Hour, "the list is good for `DURATION`")
	fl.Uint64Var(&f.version, "version", 0, "give it version `N`, above the one before (default: the next)")
	return cmd
}

func (a *app) checkPublish(f *publishFlags) error {
	if a.data == "" {
		return &usageError{"--data DIR is missing", "it is the directory that \"hearsay keyserver\" serves"}
	}
	if err := f.admin.check("it is the key whose lists the nodes believe (up --keys-signer)"); err != nil {
		return err
	}
	if f.expires < time.Minute || f.expires > roster.MaxLife {
		return usagef("--expires is 1m to %v, not %v", roster.MaxLife, f.expires)
	}
	return nil
}

func (a *app) keyPublish(ctx context.Context, f *publishFlags) error {
	if err := a.checkPublish(f); err != nil {
		return err
	}
	admin, err := f.admin.signer(ctx, a)
	if err != nil {
		return err
	}
	p := publication{flags: f, at: filepath.Join(a.data, keysDir)}
	if p.before, err = a.oldList(f, admin.Public().ID()); err != nil {
		return err
	}
	if p.admit, p.comments, err = a.readAll(ctx, f.admit); err != nil {
		return err
	}
	for _, d := range []string{a.data, p.at} {
		if err := os.Mkdir(d, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	have, err := dir.Open(p.at, a.log)
	if err != nil {
		return err
	}
	defer have.Close()
	list, err := p.list(ctx, have)
	if err != nil {
		return err
	}
	if _, err := have.AddAll(p.admit, p.comments); err != nil {
		return err
	}
	if err := a.writeList(ctx, admin, list, f.copy); err != nil {
		return err
	}
	for id := range p.withdrawn {
		if err := have.Remove(id); err != nil && !errors.Is(err, keys.ErrUnknown) {
			return fmt.Errorf("list %d is signed without %v, whose key stays: %w", list.Version, id, err)
		}
	}
	fmt.Fprintf(a.err, "list %d of %d keys, good until %s, signed by %v\n", list.Version, len(list.Entries), list.Expires.Format(time.RFC3339), admin.Public().ID())
	switch {
	case len(list.Entries) == 0:
		a.warn("the list admits nobody: --admit PUBFILE admits a key")
	case list.Version == 1:
		a.hint("hearsay keyserver --data %s serves it; nodes follow with hearsay up --keys URL --keys-signer %v", shellQuote(a.data), admin.Public().ID())
	}
	return a.print(func(o *output) error {
		_, err := fmt.Fprintln(o, list.Version)
		return err
	})
}

// readAll reads the public keys in files and directories.
func (a *app) readAll(ctx context.Context, args []string) (all []keys.PublicKey, comments []string, err error) {
	files, err := publicFiles(args)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range files {
		k, comment, err := a.readPublic(ctx, name)
		if err != nil {
			return nil, nil, err
		}
		all, comments = append(all, k), append(comments, comment)
	}
	return all, comments, nil
}

// oldList reads the list that was signed before, an empty one if there is none: the newer
// of the copy, if one is kept, and what is served now.
func (a *app) oldList(f *publishFlags, signer keys.NodeID) (*roster.List, error) {
	kept := &roster.List{}
	if f.copy != "" {
		var err error
		if kept, err = readList(f.copy, signer); err != nil {
			return nil, err
		}
	}
	served, err := readList(filepath.Join(a.data, listFile), signer)
	switch {
	case err != nil && kept.Version > 0:
		a.warn("%s; going by %s", err, escapeLine(f.copy))
		return kept, nil
	case err != nil:
		return nil, err
	case served.Version < kept.Version:
		a.warn("%s has list %d, and list %d was signed last: going by %s", filepath.Join(a.data, listFile), served.Version, kept.Version, escapeLine(f.copy))
		return kept, nil
	}
	return served, nil
}

func readList(path string, signer keys.NodeID) (*roster.List, error) {
	signed, err := readBounded(path, roster.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return &roster.List{}, nil
	}
	if err != nil {
		return nil, err
	}
	l, err := roster.Open(signed, signer)
	if err != nil {
		return nil, withHint(fmt.Errorf("%s: %s", path, withoutPackage(err.Error())), "move it away to start anew; nodes that have seen its versions refuse lower ones (--version)")
	}
	return l, nil
}

// publication is a list in the making.
type publication struct {
	flags     *publishFlags
	at        string // where the keys are
	before    *roster.List
	admit     []keys.PublicKey
	comments  []string
	given     map[keys.NodeID]bool // has --admit
	withdrawn map[keys.NodeID]bool
	admitted  map[keys.NodeID]keys.Windows
}

// list returns what is to be signed. Nobody is admitted but by the list before, or the
// flags.
func (p *publication) list(ctx context.Context, have *dir.Dir) (*roster.List, error) {
	p.admitted = make(map[keys.NodeID]keys.Windows)
	for _, e := range p.before.Entries {
		p.admitted[e.ID] = e.Windows
	}
	p.given = make(map[keys.NodeID]bool)
	for _, k := range p.admit {
		p.given[k.ID()] = true
		if _, ok := p.admitted[k.ID()]; !ok {
			p.admitted[k.ID()] = nil
		}
	}
	if err := firstOf(
		func() error { return p.withdraw(have) },
		p.bound,
		func() error { return p.compare(ctx, have) },
	); err != nil {
		return nil, err
	}
	l := &roster.List{}
	var err error
	if l.Version, err = nextVersion(p.flags.version, p.before.Version); err != nil {
		return nil, err
	}
	l.Issued, l.Expires = lifetime(p.flags.expires)
	for id, windows := range p.admitted {
		l.Entries = append(l.Entries, roster.Entry{ID: id, Windows: windows})
	}
	return l, nil
}

func (p *publication) withdraw(have *dir.Dir) error {
	p.withdrawn = make(map[keys.NodeID]bool)
	for _, text := range p.flags.remove {
		id, err := keys.ParseNodeID(text)
		if err != nil {
			return err
		}
		switch _, ok := p.admitted[id]; {
		case p.given[id]:
			return usagef("--withdraw: %v is given to --admit, too", id)
		case !ok && !have.Has(id):
			return fmt.Errorf("--withdraw: %v is not admitted", id)
		}
		p.withdrawn[id] = true
		delete(p.admitted, id)
	}
	return nil
}

// bound follows --until.
func (p *publication) bound() error {
	for _, text := range p.flags.until {
		id, w, err := parseUntil(text)
		if err != nil {
			return err
		}
		if _, ok := p.admitted[id]; !ok {
			return fmt.Errorf("--until: %v is not admitted", id)
		}
		p.admitted[id] = w
	}
	return nil
}

// compare says what lies among the keys that nobody has admitted, and what is gone.
func (p *publication) compare(ctx context.Context, have *dir.Dir) error {
	there, err := have.List(ctx)
	if err != nil {
		return err
	}
	var strangers, gone []string
	for _, id := range there {
		if _, ok := p.admitted[id]; !ok && !p.withdrawn[id] {
			strangers = append(strangers, id.String())
		}
	}
	for id := range p.admitted {
		if !p.given[id] && !have.Has(id) {
			gone = append(gone, id.String())
		}
	}
	slices.Sort(gone)
	switch {
	case strangers != nil:
		return withHint(fmt.Errorf("nothing is signed: %s has keys that neither the list before nor --admit names: %s", p.at, someOf(strangers)),
			"if you know whose it is, --admit %s admits the first; --withdraw ID removes it", shellQuote(filepath.Join(p.at, strangers[0]+".pub")))
	case gone != nil:
		return withHint(fmt.Errorf("nothing is signed: the list before admits ids whose keys are not in %s: %s", p.at, someOf(gone)),
			"--withdraw ID takes one out of the list; --admit PUBFILE puts its key back")
	}
	return nil
}

// someOf names the first five.
func someOf(all []string) string {
	const most = 5
	if len(all) <= most {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s, and %d more", strings.Join(all[:most], ", "), len(all)-most)
}

// writeList signs l and puts it into DIR, and before that into the copy: a version must
// not be signed twice.
func (a *app) writeList(ctx context.Context, admin sign.Signer, l *roster.List, copy string) error {
	text, err := l.Text()
	if err != nil {
		return err
	}
	sig, err := admin.Sign(ctx, roster.Namespace, text)
	if err != nil {
		return err
	}
	signed, err := roster.Seal(text, admin.Public(), sig)
	if err != nil {
		return err
	}
	if copy != "" {
		if err := writeWhole(copy, func(w io.Writer) error { _, err := w.Write(signed); return err }); err != nil {
			return err
		}
	}
	root, err := os.OpenRoot(a.data)
	if err != nil {
		return err
	}
	defer root.Close()
	return durable.Replace(root, listFile, signed, 0o644)
}
