package object_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/model/internal/livetest"
	"github.com/hearsaynet/hearsay/replica/model/object"
)

func TestHostileChanges(t *testing.T) {
	deep := strings.Repeat("[", 60000)
	for name, change := range map[string]string{
		"empty":             "",
		"op alone":          "\x01",
		"op 0":              "\x00\x00\x02\x01a\x00\x00\x011",
		"op 3":              "\x03\x00\x02\x01a\x00\x00\x011",
		"path cut short":    "\x01\x00\x09\x01a",
		"name cut short":    "\x01\x00\x02\x09a\x00\x00\x011",
		"empty name":        "\x01\x00\x01\x00\x00\x00\x011",
		"name not UTF-8":    "\x01\x00\x02\x01\xff\x00\x00\x011",
		"65 names":          "\x01\x00\x82" + strings.Repeat("\x01a", 65) + "\x00\x00\x011",
		"value cut short":   "\x01\x00\x02\x01a\xff\xff\xff1",
		"no value":          "\x01\x00\x02\x01a\x00\x00\x00",
		"no JSON":           "\x01\x00\x02\x01a\x00\x00\x01x",
		"deep JSON":         "\x01\x00\x02\x01a\x00\xea\x60" + deep,
		"remove with value": "\x02\x00\x02\x01a\x00\x00\x011",
		"root no object":    "\x01\x00\x00\x00\x00\x011",
		"a byte behind":     "\x01\x00\x02\x01a\x00\x00\x011\x01",
		"257 writes":        strings.Repeat("\x02\x00\x00\x00\x00\x00", 257),
		"kv's":              "\x01\x00\x01kvalue",
		"JSON":              `{"key":"k","value":"v"}`,
	} {
		o, model := detached()
		livetest.Apply(t, model, set(1, "/a", "1"))
		changed, err := model.ApplyUpdate(livetest.Update("a", 2, 2, []byte(change)))
		if got := string(o.Snapshot()); changed || !errors.Is(err, object.ErrMalformed) || got != `{"a":1}` {
			t.Errorf("%s: got %v, %v; the object is %s", name, changed, err, got)
		}
	}
}

// TestGarbage: what can never count again is not kept.
func TestGarbage(t *testing.T) {
	o, model := detached()
	big := map[string]int{}
	for i := range 1000 {
		big[fmt.Sprint("name ", i)] = i
	}
	value, err := json.Marshal(big)
	if err != nil {
		t.Fatal(err)
	}
	livetest.Apply(t, model, set(10, "/a", string(value)), set(30, "/a/newer", "1"))
	if n := o.Nodes(); n != 1003 {
		t.Errorf("%d nodes", n)
	}
	livetest.Apply(t, model, set(20, "/a", "{}"))
	if n := o.Nodes(); n != 3 {
		t.Errorf("%d nodes after a branch was cleared", n)
	}
	for i := range uint64(100) {
		livetest.Apply(t, model, remove(100+i, fmt.Sprint("/gone/", i)))
	}
	livetest.Apply(t, model, remove(1000, ""))
	if n := o.Nodes(); n != 1 {
		t.Errorf("%d nodes after all was cleared", n)
	}
	for i := range uint64(100) {
		livetest.Apply(t, model, set(100+i, fmt.Sprint("/too/late/", i), "1"))
	}
	if n := o.Nodes(); n != 1 {
		t.Errorf("%d nodes of writes that came too late", n)
	}
}

// TestHostileClears: clearing what is newer again and again is not a walk through all of it.
func TestHostileClears(t *testing.T) {
	const n = 10_000
	o, model := detached()
	for i := range uint64(n) {
		livetest.Apply(t, model, set(1_000_000+i, fmt.Sprintf("/a/%d", i), "1"))
	}
	at := uint64(0)
	copied := testing.AllocsPerRun(100, func() {
		at += 2
		livetest.Apply(t, model, remove(at, "/a"), set(at+1, "/a/old", "1"))
	})
	if copied > 300 || o.Nodes() != n+3 {
		t.Errorf("%v allocations for two writes, %d nodes", copied, o.Nodes())
	}
}

// TestHostileCost: what a change leaves in memory, and what telling of it allocates, is in
// proportion to its bytes.
func TestHostileCost(t *testing.T) {
	const perByte, toldPerByte = 64, 320
	var deepPaths, removes []object.Op
	for i := range object.MaxOps {
		path := strings.Repeat(fmt.Sprintf("/%c", 'A'+i%60), 10) + strings.Repeat(fmt.Sprintf("/%c", 'A'+i/10), 54)
		deepPaths, removes = append(deepPaths, object.Op{Path: path, Value: []byte("0")}), append(removes, object.Op{Path: path})
	}
	members := func(n int, value string) []byte {
		var all []string
		for i := range n {
			all = append(all, fmt.Sprintf(`"%x":%s`, i, value))
		}
		return []byte("{" + strings.Join(all, ",") + "}")
	}
	for name, change := range map[string][]byte{
		"many members": object.Must(object.Op{Path: "/a", Value: members(50_000, "0")}),
		"deep members": object.Must(object.Op{Path: "/a", Value: members(500, strings.Repeat(`{"a":`, 61)+"0"+strings.Repeat("}", 61))}),
		"deep paths":   object.Must(deepPaths...), "deep removes": object.Must(removes...),
		"an array": object.Must(object.Op{Path: "/a", Value: []byte("[" + strings.Repeat("0,", 50_000) + "0]")}),
	} {
		o, model := object.Detached(keys.NodeID{}, 1)
		before := livetest.LiveHeap()
		livetest.Apply(t, model, livetest.Update("a", 1, 1, change))
		if n := int(livetest.LiveHeap()) - int(before); n > perByte*len(change)+1<<16 {
			t.Errorf("%s: %d bytes for %d", name, n, len(change))
		}
		if _, err := o.Watch(t.Context(), "/**/x/**/y/**/z"); err != nil {
			t.Fatal(err)
		}
		livetest.Rebuild(t, model)
		var was, is runtime.MemStats
		runtime.ReadMemStats(&was)
		livetest.Apply(t, model, livetest.Update("a", 1, 1, change))
		runtime.ReadMemStats(&is)
		if n := is.TotalAlloc - was.TotalAlloc; n > toldPerByte*uint64(len(change))+1<<16 {
			t.Errorf("%s: %d bytes allocated to tell of %d", name, n, len(change))
		}
		o.Close()
	}
}

// TestHostileRemove: a short change that takes away many values with long paths is told of
// without all the paths in memory at once.
func TestHostileRemove(t *testing.T) {
	const values, each = 20_000, 250 // bytes; a path alone is longer
	o, model := object.Detached(keys.NodeID{}, 1)
	long := strings.Repeat("/"+strings.Repeat("n", object.MaxName), 3)
	var all []string
	for i := range values {
		all = append(all, fmt.Sprintf(`"%x":0`, i))
	}
	livetest.Apply(t, model, set(1, long, "{"+strings.Join(all, ",")+"}"))
	before, told := livetest.LiveHeap(), 0
	o.OnTell(t.Context(), func(string) {
		if told++; told != values/2 {
			return
		}
		if n := int(livetest.LiveHeap()) - int(before); n > values*each {
			t.Errorf("%d bytes in memory for each value", n/values)
		}
	})
	livetest.Apply(t, model, remove(2, "/"+strings.Repeat("n", object.MaxName)))
	if told < values {
		t.Errorf("%d of %d are told", told, values)
	}
	o.Close()
}
