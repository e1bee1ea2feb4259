package main

import (
	"bytes"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/node"
	"github.com/hearsaynet/hearsay/replica/wire"
)

func newSetCmd(a *app) *cobra.Command {
	asJSON, until := false, expiryFlags{}
	cmd := &cobra.Command{
		Use:   "set KEY VALUE|-",
		Short: "Set a key to a value",
		Long: `Sets KEY to VALUE, or to the bytes of standard input, as they are, for -. It returns when
the update is signed and durable. A VALUE that starts with - goes after --. KEY has up to 1024
bytes, and with VALUE a few less than 65,536.

With --ttl or --until every node takes the value out of sight at that time, by its own
clock; no older value comes back.`,
		Example: `  hearsay set greeting hello
  hearsay set --ttl 10m door open
  hearsay set photo - < photo.jpg
  hearsay set -- offset -5`,
		Args:        takes(2, 2),
		Annotations: map[string]string{annotationFreeArgs: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			expires, err := until.time()
			if err != nil {
				return err
			}
			value := []byte(args[1])
			if args[1] == "-" {
				if value, err = a.readChange(); err != nil {
					return err
				}
			}
			return a.attach(cmd.Context(), func(api node.API) error {
				ctx, cancel, err := a.durably(cmd.Context(), api)
				if err != nil {
					return err
				}
				defer cancel()
				set := func() (wire.Ref, error) { return api.Set(ctx, args[0], value) }
				if !expires.IsZero() {
					set = func() (wire.Ref, error) { return api.SetUntil(ctx, args[0], value, expires) }
				}
				ref, err := set()
				return a.wrote(asJSON, err, ref)
			})
		},
	}
	until.add(cmd)
	writeFlags(a, cmd, &asJSON)
	return cmd
}

func newDelCmd(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:         "del KEY",
		Short:       "Delete a key",
		Long:        "Deletes KEY, for all who replicate the topic. A key that is not there is no error.",
		Args:        takes(1, 1),
		Annotations: map[string]string{annotationFreeArgs: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.attach(cmd.Context(), func(api node.API) error {
				ctx, cancel, err := a.durably(cmd.Context(), api)
				if err != nil {
					return err
				}
				defer cancel()
				ref, err := api.Delete(ctx, args[0])
				return a.wrote(asJSON, err, ref)
			})
		},
	}
	writeFlags(a, cmd, &asJSON)
	return cmd
}

func writeFlags(a *app, cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print author, seq and hash of each update as JSON")
	a.keyAccess.add(cmd.Flags())
}

// wrote reports where updates stand.
func (a *app) wrote(asJSON bool, err error, refs ...wire.Ref) error {
	if err != nil || !asJSON {
		return err
	}
	return a.print(func(o *output) error {
		for _, ref := range refs {
			if err := o.json(ref); err != nil {
				return err
			}
		}
		return nil
	})
}

// readChange reads standard input, no more than an update can hold.
func (a *app) readChange() ([]byte, error) {
	return readAll(a.stdin, "standard input", replica.DefaultMaxChange)
}

// readAll reads no more than most bytes of a file.
func readAll(r io.Reader, name string, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d bytes, too large for one update", name, most)
	}
	return data, err
}

func newGetCmd(a *app) *cobra.Command {
	raw, asJSON := false, false
	cmd := &cobra.Command{
		Use:   "get KEY",
		Short: "Print a key's value",
		Long: `Prints the bytes of KEY's value and a newline, or without the newline for --raw. A terminal is
given control characters escaped, unless --raw. For a key that is not there it prints nothing and
exits 1.`,
		Args:        takes(1, 1),
		Annotations: map[string]string{annotationFreeArgs: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.attach(cmd.Context(), func(api node.API) error {
				v, err := api.Get(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return a.print(func(o *output) error {
					if asJSON {
						return o.json(newRecord(v))
					}
					return o.value(v.Value, raw)
				})
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, as dump does")
	rawFlag(cmd, &raw)
	return cmd
}

// rawFlag is for commands that print one value, or JSON.
func rawFlag(cmd *cobra.Command, raw *bool) {
	cmd.Flags().BoolVar(raw, "raw", false, "print the bytes as they are, without a newline after them")
	cmd.MarkFlagsMutuallyExclusive("raw", "json")
}

func newKeysCmd(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "List the keys",
		Long: `Prints the keys that have a value, bytewise in order, one a line, as ls -b writes names (hearsay
help output); with --json as strings.`,
		Args: takes(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.attach(cmd.Context(), func(api node.API) error {
				return a.print(func(o *output) error {
					for v, err := range api.Dump(cmd.Context()) {
						if err == nil && asJSON {
							err = o.json(v.Key)
						} else if err == nil {
							err = o.row(v.Key)
						}
						if err != nil {
							return err
						}
					}
					return nil
				})
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each key as a JSON string")
	return cmd
}

func newWatchCmd(a *app) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "watch [GLOB]",
		Short: "Print changes as they happen",
		Long: `Prints one line for each change of a key that matches GLOB, until a signal:
"set KEY VALUE", "del KEY" or "expired KEY VALUE", control characters escaped. * does not
match a slash, ** does; without GLOB every key is watched. What it told is taken back by
further changes when an author's key is withdrawn.`,
		Example: "  hearsay watch 'sensors/**' --json",
		Args:    takes(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.attach(cmd.Context(), func(api node.API) error {
				a.following(api)
				o := a.stdout()
				for c, err := range api.Watch(cmd.Context(), arg(args, 0)) {
					if cmd.Context().Err() != nil {
						return nil // the signal that ends it
					}
					if err == nil {
						err = a.printChange(o, c, asJSON)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print each change as a JSON object")
	return cmd
}

func (a *app) printChange(o *output, c node.Change, asJSON bool) error {
	var err error
	switch {
	case asJSON:
		err = o.json(newChangeRecord(c))
	case c.Lost > 0:
		a.warn("%d changes were not seen: they came faster than they could be printed", c.Lost)
	case c.Expired:
		err = o.words("expired", c.Key, c.Old.Value)
	case c.New == nil:
		err = o.words("del", c.Key)
	default:
		err = o.words("set", c.Key, c.New.Value)
	}
	if err != nil {
		return err
	}
	return o.Flush()
}

// record is a key's value as dump prints it. Bytes that are not UTF-8 cannot be a
// JSON string.
type record struct {
	Key    string      `json:"key"`
	Value  *string     `json:"value,omitempty"`
	Base64 []byte      `json:"value_base64,omitempty"`
	Author keys.NodeID `json:"author"`
	Seq    uint64      `json:"seq"`
	Time   string      `json:"time"`
	// Expires is from when on the value is not shown, if ever.
	Expires string `json:"expires,omitempty"`
}

func newRecord(v node.Value) record {
	r := record{Key: v.Key, Author: v.Author, Seq: v.Seq, Time: stamp(v.Time)}
	r.Value, r.Base64 = jsonBytes(v.Value)
	if !v.Expires.IsZero() {
		r.Expires = stamp(v.Expires)
	}
	return r
}

// jsonBytes returns b as a string, or as bytes to be written in base64.
func jsonBytes(b []byte) (*string, []byte) {
	if !utf8.Valid(b) {
		return nil, bytes.Clone(b)
	}
	s := string(b)
	return &s, nil
}

// stamp writes a time in RFC 3339 with all nine digits.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z07:00") }

type changeRecord struct {
	Key     string  `json:"key,omitempty"`
	New     *record `json:"new,omitempty"`
	Old     *record `json:"old,omitempty"`
	Local   bool    `json:"local"`
	Expired bool    `json:"expired,omitempty"` // Old has come to its time
	Lost    uint64  `json:"lost,omitempty"`    // so many changes came too fast; nothing else is set
}

func newChangeRecord(c node.Change) changeRecord {
	r := changeRecord{Key: c.Key, Local: c.Local, Expired: c.Expired, Lost: c.Lost}
	if c.New != nil {
		v := newRecord(*c.New)
		r.New = &v
	}
	if c.Old != nil {
		v := newRecord(*c.Old)
		r.Old = &v
	}
	return r
}
