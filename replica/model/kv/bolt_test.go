package kv_test

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"iter"
	"log"
	"os"
	"path/filepath"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"github.com/hearsaynet/hearsay/replica/model/kv"
)

// boltFile keeps the state of one Map in a bbolt file, where other programs may read it:
// the bucket "meta" has under "live" the name of the bucket that holds it.
type boltFile struct {
	db   *bbolt.DB
	made atomic.Uint64
}

func openBolt(path string) (*boltFile, error) {
	// Nothing needs to be synced: the Map is filled again by whoever mounts it. With room
	// in its memory map from the start, who writes waits for nobody who reads.
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{NoSync: true, InitialMmapSize: 64 << 20})
	if err != nil {
		return nil, err
	}
	return &boltFile{db: db}, nil
}

// backend is a Config.Backend: a new bucket for each state.
func (f *boltFile) backend() (kv.Backend, error) {
	b := &boltBucket{f, fmt.Appendf(nil, "state %d", f.made.Add(1))}
	return b, f.db.Update(func(tx *bbolt.Tx) error {
		if tx.Bucket(b.name) != nil { // of an earlier process
			if err := tx.DeleteBucket(b.name); err != nil {
				return err
			}
		}
		_, err := tx.CreateBucket(b.name)
		return err
	})
}

type boltBucket struct {
	file *boltFile
	name []byte
}

func (b *boltBucket) Get(key string) (u kv.Update, found bool, err error) {
	err = b.file.db.View(func(tx *bbolt.Tx) error {
		value := tx.Bucket(b.name).Get([]byte(key))
		if value == nil {
			return nil
		}
		found = true
		return gob.NewDecoder(bytes.NewReader(value)).Decode(&u)
	})
	return u, found, err
}

func (b *boltBucket) Put(u kv.Update) error {
	var value bytes.Buffer
	if err := gob.NewEncoder(&value).Encode(u); err != nil {
		return err
	}
	return b.file.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(b.name).Put([]byte(u.Key), value.Bytes())
	})
}

func (b *boltBucket) All() iter.Seq2[kv.Update, error] {
	return func(yield func(kv.Update, error) bool) {
		b.file.db.View(func(tx *bbolt.Tx) error {
			for c, k, v := walk(tx.Bucket(b.name)); k != nil; k, v = c.Next() {
				var u kv.Update
				err := gob.NewDecoder(bytes.NewReader(v)).Decode(&u)
				if !yield(u, err) || err != nil {
					break
				}
			}
			return nil
		})
	}
}

func walk(b *bbolt.Bucket) (c *bbolt.Cursor, key, value []byte) {
	c = b.Cursor()
	key, value = c.First()
	return c, key, value
}

// Rebuilt says in one transaction that this is the state now.
func (b *boltBucket) Rebuilt() error {
	return b.file.db.Update(func(tx *bbolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists([]byte("meta"))
		if err != nil {
			return err
		}
		return meta.Put([]byte("live"), b.name)
	})
}

// Close drops the state if another has taken its place.
func (b *boltBucket) Close() error {
	return b.file.db.Update(func(tx *bbolt.Tx) error {
		if meta := tx.Bucket([]byte("meta")); meta != nil && bytes.Equal(meta.Get([]byte("live")), b.name) {
			return nil
		}
		return tx.DeleteBucket(b.name)
	})
}

// A Map that keeps its state in a file.
func ExampleBackend() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file, err := openBolt(filepath.Join(dir, "map.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer file.db.Close()
	r := openReplica()
	defer r.Close()
	m, err := kv.Mount(r, "", kv.Config{Backend: file.backend})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	if _, err := m.Set(ctx, "hosts/alpha", []byte("up")); err != nil {
		log.Fatal(err)
	}
	file.db.View(func(tx *bbolt.Tx) error {
		live := tx.Bucket([]byte("meta")).Get([]byte("live"))
		for c, k, _ := walk(tx.Bucket(live)); k != nil; k, _ = c.Next() {
			fmt.Printf("the file has %s\n", k)
		}
		return nil
	})
	e, _ := m.Get("hosts/alpha")
	fmt.Printf("the map says that it is %s\n", e.Value)
	// Output:
	// the file has hosts/alpha
	// the map says that it is up
}
