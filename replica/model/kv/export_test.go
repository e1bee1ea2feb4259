package kv

import (
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica"
	"github.com/hearsaynet/hearsay/replica/model/internal/mount"
)

// Model is what a replica calls.
type Model interface {
	replica.Model
	replica.Rebuilder
}

// Detached returns a Map without a replica, and its model.
func Detached(self keys.NodeID, watchBuffer int) (*Map, Model) {
	return DetachedWith(self, Config{WatchBuffer: watchBuffer}, time.Now)
}

// DetachedWith is Detached with a Config, which is not checked, and a clock.
func DetachedWith(self keys.NodeID, cfg Config, now func() time.Time) (*Map, Model) {
	cfg.self = self
	m := newModel(cfg, now)
	return &Map{channel: new(mount.Channel), model: m}, m
}

// MustSet and MustDelete make changes of keys that are good.
func MustSet(key, value string) []byte { return must(SetChange(key, []byte(value))) }
func MustDelete(key string) []byte     { return must(DeleteChange(key)) }

// MustSetUntil makes a set that expires.
func MustSetUntil(key, value string, expires uint64) []byte {
	return must(SetUntilChange(key, []byte(value), expires))
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// TestOnlyPlant plants defects, by their names.
var TestOnlyPlant = map[string]func(*Config){
	"tie by arrival": func(c *Config) { c.testOnly.tieByArrival = true },
	"last arrival":   func(c *Config) { c.testOnly.lastArrival = true },
	"delete forgets": func(c *Config) { c.testOnly.deleteForgets = true },
}
