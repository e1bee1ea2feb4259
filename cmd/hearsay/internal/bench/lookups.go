package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/cache"
	"github.com/hearsaynet/hearsay/keys/dir"
	"github.com/hearsaynet/hearsay/keys/remote"
	"github.com/hearsaynet/hearsay/keys/roster"
	"github.com/hearsaynet/hearsay/keys/server"
)

// askedAtOnce is how many ids a key server takes in a request.
const askedAtOnce = 256

// keystore is one on disk or behind a server, with all that it needs.
type keystore struct {
	open  func(dir string) (ks keys.Keystore, stop func(), err error) // knows nothing yet
	ask   func(ctx context.Context, ks keys.Keystore, ids []keys.NodeID) error
	close func()
}

// lookups measures look-ups that have an answer already, beside the first of each id in a
// keystore that is opened for it.
func lookups(n int, span time.Duration, prepare func(dir string, all []keys.PublicKey) (*keystore, error)) measure {
	return func(ctx context.Context, dir string) (measured, error) {
		authors, err := newAuthors("", n)
		if err != nil {
			return measured{}, err
		}
		all, ids := make([]keys.PublicKey, n), make([]keys.NodeID, n)
		for i, a := range authors {
			all[i] = a.signer.Public()
			ids[i] = all[i].ID()
		}
		s, err := prepare(dir, all)
		if err != nil {
			return measured{}, err
		}
		defer s.close()
		cold, err := s.cold(ctx, dir, ids, span)
		if err != nil {
			return measured{}, err
		}
		m, err := s.warm(ctx, dir, ids, span)
		m.base, m.to = cold, "cold"
		m.figures = []Figure{{"cold, opening it included", cold, "/s"}}
		return m, err
	}
}

// cold returns the first look-ups a second.
func (s *keystore) cold(ctx context.Context, dir string, ids []keys.NodeID, span time.Duration) (float64, error) {
	rounds := 0
	took, err := perCall(span, func() error {
		sub := filepath.Join(dir, fmt.Sprint(rounds))
		rounds++
		ks, stop, err := s.fresh(sub)
		if err != nil {
			return err
		}
		defer stop()
		return s.ask(ctx, ks, ids)
	})
	return float64(len(ids)) / took.Seconds(), err
}

// fresh opens the keystore with a new directory of its own.
func (s *keystore) fresh(dir string) (keys.Keystore, func(), error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, nil, err
	}
	return s.open(dir)
}

func (s *keystore) warm(ctx context.Context, dir string, ids []keys.NodeID, span time.Duration) (measured, error) {
	ks, stop, err := s.fresh(filepath.Join(dir, "warm"))
	if err != nil {
		return measured{}, err
	}
	defer stop()
	if err := s.ask(ctx, ks, ids); err != nil {
		return measured{}, err
	}
	m := startMeter()
	n := 0
	for ; n == 0 || time.Since(m.began) < span; n += len(ids) {
		for _, id := range ids {
			if _, err := ks.Lookup(ctx, id); err != nil {
				return measured{}, err
			}
		}
	}
	return m.rate(n), nil
}

// inDirectory is a directory of keys, which are looked up one after another.
func inDirectory(path string, all []keys.PublicKey) (*keystore, error) {
	path = filepath.Join(path, "admitted")
	if err := os.Mkdir(path, 0o700); err != nil {
		return nil, err
	}
	for _, k := range all {
		if err := os.WriteFile(filepath.Join(path, k.ID().String()+".pub"), []byte(k.AuthorizedKey("")+"\n"), 0o600); err != nil {
			return nil, err
		}
	}
	return &keystore{
		open: func(string) (keys.Keystore, func(), error) {
			d, err := dir.Open(path, nil)
			if err != nil {
				return nil, nil, err
			}
			return d, func() { d.Close() }, nil
		},
		ask: func(ctx context.Context, ks keys.Keystore, ids []keys.NodeID) error {
			for _, id := range ids {
				if _, err := ks.Lookup(ctx, id); err != nil {
					return err
				}
			}
			return nil
		},
		close: func() {},
	}, nil
}

// atServer is a key server over loopback, which is asked for many keys in a request.
func atServer(dir string, all []keys.PublicKey) (*keystore, error) {
	admin, err := newAuthor("")
	if err != nil {
		return nil, err
	}
	signed, err := listOf(admin, all)
	if err != nil {
		return nil, err
	}
	list := filepath.Join(dir, "list")
	if err := os.WriteFile(list, signed, 0o600); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := server.New(keys.NewMemory(all...), list, nil)
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { server.Serve(ctx, ln, h, nil) })
	return &keystore{
		open: func(dir string) (keys.Keystore, func(), error) {
			s, err := remote.Open(remote.Config{URL: "http://" + ln.Addr().String(), Signer: admin.signer.Public().ID(), Dir: dir})
			if err != nil {
				return nil, nil, err
			}
			return s, func() { s.Close() }, nil
		},
		ask: func(ctx context.Context, ks keys.Keystore, ids []keys.NodeID) error {
			var errs []error
			for some := range slices.Chunk(ids, askedAtOnce) {
				for _, got := range ks.(keys.Batcher).LookupAll(ctx, some) {
					errs = append(errs, got.Err)
				}
			}
			return errors.Join(errs...)
		},
		close: func() {
			cancel()
			serving.Wait()
			h.Close()
		},
	}, nil
}

// listOf is a signed list of all.
func listOf(admin *author, all []keys.PublicKey) ([]byte, error) {
	now := time.Now().UTC().Truncate(time.Second)
	l := &roster.List{Version: 1, Issued: now, Expires: now.Add(time.Hour)}
	for _, k := range all {
		l.Entries = append(l.Entries, roster.Entry{ID: k.ID()})
	}
	text, err := l.Text()
	if err != nil {
		return nil, err
	}
	sig, err := admin.signer.Sign(context.Background(), roster.Namespace, text)
	if err != nil {
		return nil, err
	}
	return roster.Seal(text, admin.signer.Public(), sig)
}

// inCache is atServer behind a cache, which is asked for all ids at the same time.
func inCache(dir string, all []keys.PublicKey) (*keystore, error) {
	behind, err := atServer(dir, all)
	if err != nil {
		return nil, err
	}
	return &keystore{
		open: func(dir string) (keys.Keystore, func(), error) {
			ks, stop, err := behind.open(dir)
			if err != nil {
				return nil, nil, err
			}
			c := cache.New(ks, cache.Config{})
			return c, func() {
				c.Close()
				stop()
			}, nil
		},
		ask: func(ctx context.Context, ks keys.Keystore, ids []keys.NodeID) error {
			errs := make([]error, len(ids))
			var asking sync.WaitGroup
			for i, id := range ids {
				asking.Go(func() { _, errs[i] = ks.Lookup(ctx, id) })
			}
			asking.Wait()
			return errors.Join(errs...)
		},
		close: behind.close,
	}, nil
}
