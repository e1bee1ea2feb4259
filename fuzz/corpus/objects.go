package main

import "strings"

// objectChanges makes what value, peerkv, object and manifest read.
func (c *corpus) objectChanges() {
	c.valueChanges()
	c.peerkvChanges()
	c.objectWrites()
	c.manifestChanges()
}

// valueChanges makes changes of replica/model/value.
func (c *corpus) valueChanges() {
	c.good("value-change", "set", []byte("\x01value"))
	c.good("value-change", "set-empty", []byte("\x01"))
	for name, b := range map[string]string{"nothing": "", "operation-0": "\x00value", "operation-2": "\x02value", "json": `{"value":1}`} {
		c.bad("value-change", name, []byte(b))
	}
}

// peerkvChanges makes changes of replica/model/peerkv.
func (c *corpus) peerkvChanges() {
	for name, b := range map[string]string{
		"set": "\x01\x00\x03keyvalue", "set-empty": "\x01\x00\x03key", "delete": "\x02\x00\x03key",
		"set-until": "\x03\x00\x03key\x00\x00\x00\x00\x00\x00\x00\x01value", "set-until-the-end": "\x03\x00\x03key\x7f" + strings.Repeat("\xff", 7),
	} {
		c.good("peerkv-change", name, []byte(b))
	}
	for name, b := range map[string]string{
		"nothing": "", "no-key": "\x01\x00\x00", "delete-with-value": "\x02\x00\x03keyx", "operation-0": "\x00\x00\x01k", "operation-4": "\x04\x00\x01k",
		"bad-utf-8": "\x01\x00\x01\xff", "long-key": "\x01\x04\x01" + strings.Repeat("k", 1025), "key-cut-short": "\x01\xff\xffk",
		"until-0": "\x03\x00\x01k" + strings.Repeat("\x00", 8), "until-2-63": "\x03\x00\x01k\x80" + strings.Repeat("\x00", 7), "until-cut-short": "\x03\x00\x01k1234567",
	} {
		c.bad("peerkv-change", name, []byte(b))
	}
}

// objectWrites makes changes of replica/model/object.
func (c *corpus) objectWrites() {
	set := func(value string) string {
		return "\x01\x00\x02\x01a" + string([]byte{byte(len(value) >> 16), byte(len(value) >> 8), byte(len(value))}) + value
	}
	remove := "\x02\x00\x05\x01a\x02\xc3\x9f\x00\x00\x00"
	for name, b := range map[string]string{
		"number": set("-1.50e+07"), "string": set(`"\"\\\b\f\n\r\t\u0000é😀"`), "object": set(`{"A":{},"a":{"b":[{"c":null}]}}`), "array": set(`[[],1,true,false]`),
		"remove": remove, "root": "\x01\x00\x00\x00\x00\x02{}", "three": set("1") + remove + set(`{"x":[]}`), "64-names": "\x02\x00\x80" + strings.Repeat("\x01a", 64) + "\x00\x00\x00",
		"deepest": set(strings.Repeat("[", 63) + strings.Repeat("]", 63)),
	} {
		c.good("object-change", name, []byte(b))
	}
	for name, b := range map[string]string{
		"nothing": "", "operation-0": "\x00" + set("1")[1:], "operation-3": "\x03" + set("1")[1:], "path-cut-short": "\x01\x00\x09\x01a", "name-cut-short": "\x01\x00\x02\x09a\x00\x00\x011",
		"empty-name": "\x01\x00\x01\x00\x00\x00\x011", "bad-utf-8": "\x01\x00\x02\x01\xff\x00\x00\x011", "65-names": "\x02\x00\x82" + strings.Repeat("\x01a", 65) + "\x00\x00\x00",
		"long-path":       "\x02\x04\x05" + strings.Repeat("\x24"+strings.Repeat("a", 36), 28)[:1029] + "\x00\x00\x00",
		"value-cut-short": "\x01\x00\x02\x01a\xff\xff\xff1", "no-value": set(""), "no-json": set("x"), "white-space": set("[1, 2]"), "names-out-of-order": set(`{"b":1,"a":2}`),
		"name-twice": set(`{"a":1,"a":2}`), "escape-not-needed": set(`"\u0061"`), "capital-escape": set(`"\u001F"`), "surrogate": set(`"\ud83d\ude00"`), "bad-utf-8-inside": set("\"\xff\""),
		"deep": set(strings.Repeat("[", 60000)), "leading-zero": set("01"), "two-values": set("1 2"), "remove-with-value": "\x02" + set("1")[1:], "root-no-object": "\x01\x00\x00\x00\x00\x011",
		"a-byte-behind": set("1") + "\x01", "257-writes": strings.Repeat("\x02\x00\x00\x00\x00\x00", 257), "json": `{"a":1}`,
	} {
		c.bad("object-change", name, []byte(b))
	}
}

// manifestChanges makes changes of replica/model/manifest.
func (c *corpus) manifestChanges() {
	for name, b := range map[string]string{"add": "\x01\x05hosts\x02kv", "remove": "\x02\x05hosts", "longest": "\x01\x40" + strings.Repeat("c", 64) + "\x40" + strings.Repeat("k", 64)} {
		c.good("manifest-change", name, []byte(b))
	}
	for name, b := range map[string]string{
		"nothing": "", "operation-0": "\x00\x05hosts\x02kv", "operation-3": "\x03\x05hosts", "no-channel": "\x01\x00\x02kv", "no-kind": "\x01\x05hosts\x00", "remove-with-kind": "\x02\x05hosts\x02kv",
		"long-channel": "\x02\x41" + strings.Repeat("c", 65), "control-character": "\x02\x01\x00", "bad-utf-8": "\x02\x01\xff", "cut-short": "\x01\x05hosts\x02k", "a-byte-behind": "\x01\x05hosts\x02kvx",
	} {
		c.bad("manifest-change", name, []byte(b))
	}
}
