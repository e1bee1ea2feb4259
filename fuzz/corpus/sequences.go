package main

import "strings"

// sequenceChanges makes what the ordered data models read from updates.
func (c *corpus) sequenceChanges() { c.listChanges() }

// listChanges makes changes of replica/model/list.
func (c *corpus) listChanges() {
	id := "\x12\x20" + strings.Repeat("a", 32) + "\x00\x00\x00\x00\x00\x00\x00\x07\x00\x01"
	insert, set := "\x01\x01\x80\x00\x00\x00\x01v", "\x02"+id+"\x00\x00\x00\x03new"
	remove, move := "\x03"+id, "\x04"+id+"\x02\x80\x01"
	for name, b := range map[string]string{
		"insert": insert, "insert-two": insert + insert, "insert-nothing": "\x01\x01\x80\x00\x00\x00\x00",
		"set": set, "remove": remove, "move": move, "all": insert + set + remove + move,
		"longest-position": "\x04" + id + "\xff" + strings.Repeat("\xff", 255),
	} {
		c.good("list-change", name, []byte(b))
	}
	for name, b := range map[string]string{
		"nothing": "", "operation-0": "\x00" + id, "operation-5": "\x05" + id, "no-position": "\x01\x00\x00\x00\x00\x00", "zero-at-the-end": "\x01\x02\x80\x00\x00\x00\x00\x00",
		"value-cut-short": "\x01\x01\x80\xff\xff\xff\xffv", "id-cut-short": remove[:40], "bytes-after": insert + "\x09", "seq-0": strings.Replace(remove, "\x07", "\x00", 1),
		"seq-2-63": "\x03" + id[:34] + "\x80" + id[35:], "index-65535": "\x03" + id[:42] + "\xff\xff", "identity-multihash": "\x03\x00" + id[1:],
		"json": `{"1":"a"}`,
	} {
		c.bad("list-change", name, []byte(b))
	}
}
