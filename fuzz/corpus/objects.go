package main

import "strings"

// objectChanges makes what value, peerkv, object and manifest read.
func (c *corpus) objectChanges() {
	c.valueChanges()
	c.peerkvChanges()
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
