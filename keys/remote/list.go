package remote

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/durable"
	"github.com/hearsaynet/hearsay/keys/roster"
)

// The files that are kept. Another signer starts anew.
func (s *Store) fileName() string { return s.cfg.Signer.String() + ".list" }
func (s *Store) keysName() string { return s.cfg.Signer.String() + ".keys" }

// maxKeysFile bounds the keys that are kept, in bytes.
const maxKeysFile = roster.MaxIDs * 768

// Kept returns the newest list of signer that a store has kept in dir, nil if there is
// none. It asks nobody.
func Kept(dir string, signer keys.NodeID) (*roster.List, error) {
	root, err := os.OpenRoot(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("keys/remote: %w", err)
	}
	defer root.Close()
	s := &Store{cfg: Config{Signer: signer, Dir: dir}, root: root}
	l, _, err := s.readKept()
	return l, err
}

// readKept reads the list that was kept, nil if there is none. One that is damaged is not
// passed over: with it the versions that were seen would be forgotten.
func (s *Store) readKept() (l *roster.List, signed []byte, err error) {
	f, err := s.root.Open(s.fileName())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("keys/remote: the list that was kept: %w", err)
	}
	defer f.Close()
	signed, err = io.ReadAll(io.LimitReader(f, roster.MaxSize+1))
	if err == nil {
		l, err = roster.Open(signed, s.cfg.Signer)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("keys/remote: the list that was kept in %s is damaged (remove the file to believe whatever list the server offers first): %w",
			filepath.Join(s.cfg.Dir, s.fileName()), err)
	}
	return l, signed, nil
}

// restore goes on from the list that was kept.
func (s *Store) restore() error {
	l, signed, err := s.readKept()
	if err != nil || l == nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takeLocked(l, signed)
	s.restoreKeysLocked()
	if time.Now().Before(l.Expires) {
		s.first.Do(func() { close(s.ready) })
	}
	return nil
}

// restoreKeysLocked reads the keys that were kept. Those that are damaged are fetched again.
func (s *Store) restoreKeysLocked() {
	f, err := s.root.Open(s.keysName())
	if err != nil {
		return
	}
	defer f.Close()
	lines := bufio.NewScanner(io.LimitReader(f, maxKeysFile))
	for lines.Scan() {
		k, _, err := keys.ParseAuthorizedKey(lines.Bytes())
		if err != nil {
			continue
		}
		if _, ok := s.admitted[k.ID()]; ok {
			s.keys[k.ID()] = k
		}
	}
}

// saveKeys keeps the keys that came since it was called last.
func (s *Store) saveKeys() {
	s.mu.Lock()
	var text bytes.Buffer
	if s.unsaved {
		for _, k := range s.keys {
			text.WriteString(k.String() + "\n")
		}
	}
	s.unsaved = false
	s.mu.Unlock()
	if text.Len() == 0 {
		return
	}
	if err := durable.Replace(s.root, s.keysName(), text.Bytes(), 0o600); err != nil {
		s.cfg.Log.Warn("the keys of the key server cannot be kept: after a restart they are fetched again", "dir", s.cfg.Dir, "err", err)
	}
}

// refresh looks at the server's list once, and reports whether nothing is wrong with it.
func (s *Store) refresh() bool {
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.Timeout)
	defer cancel()
	s.mu.Lock()
	known := s.signed
	s.mu.Unlock()
	signed, err := s.web.list(ctx, known)
	if err == nil && signed != nil {
		err = s.offer(signed)
	}
	if s.ctx.Err() != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.noteTroubleLocked(err)
	s.noteExpiryLocked()
	return err == nil
}

// noteTroubleLocked says once what is wrong with the list, and once that it is over.
func (s *Store) noteTroubleLocked(err error) {
	switch before := s.trouble; {
	case err == nil && before != nil:
		s.cfg.Log.Info("the key server's list can be had again", "server", s.cfg.URL)
	case err != nil && (before == nil || before.Error() != err.Error()):
		s.cfg.Log.Warn("no new list from the key server", "server", s.cfg.URL, "err", err)
	}
	s.trouble = err
}

// offer takes a list if it is newer than the newest that was seen.
func (s *Store) offer(signed []byte) error {
	l, err := roster.Open(signed, s.cfg.Signer)
	if err != nil {
		return err
	}
	s.mu.Lock()
	seen, same := s.list, bytes.Equal(signed, s.signed)
	s.mu.Unlock()
	switch {
	case same:
		return nil
	case seen != nil && l.Version < seen.Version:
		return fmt.Errorf("%w: the server offers list %d, and list %d was seen before", ErrRollback, l.Version, seen.Version)
	case seen != nil && l.Version == seen.Version && !sameList(l, seen):
		return fmt.Errorf("%w: the server offers another list %d than the one that was seen before", ErrRollback, l.Version)
	case seen != nil && l.Version == seen.Version:
		return nil
	}
	if err := durable.Replace(s.root, s.fileName(), signed, 0o600); err != nil { // before it counts
		return fmt.Errorf("keep the list: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takeLocked(l, signed)
	return nil
}

// sameList tells two signatures over one list from two lists.
func sameList(a, b *roster.List) bool {
	x, errX := a.Text()
	y, errY := b.Text()
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// takeLocked puts l into force.
func (s *Store) takeLocked(l *roster.List, signed []byte) {
	s.list, s.signed, s.expired = l, signed, false
	admitted := make(map[keys.NodeID]keys.Windows, len(l.Entries))
	for _, e := range l.Entries {
		admitted[e.ID] = e.Windows
	}
	s.admitted = admitted
	gone := func(id keys.NodeID) bool {
		_, ok := admitted[id]
		return !ok
	}
	maps.DeleteFunc(s.keys, func(id keys.NodeID, _ keys.PublicKey) bool { return gone(id) })
	maps.DeleteFunc(s.missing, func(id keys.NodeID, _ error) bool { return gone(id) })
	s.notifyLocked()
}
