package main

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/link"
)

// links makes the value of the certificate extension that a link is proved by.
func (c *corpus) links() {
	a := newAuthor(0)
	short := func(b []byte) []byte { return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...) }
	sig := a.sign(link.Namespace, nil)
	value := func(inner ...[]byte) []byte { return must(asn1.Marshal(bytes.Join(inner, nil))) }
	date := []byte{0x18, 0xfa, 0xe2, 0x76, 0x93, 0xb4, 0, 0}
	good := value(short(a.Public().Wire()), date, short(sig))
	c.strict("link-proof", "ed25519", good)
	c.bad("link-proof", "long-length", append([]byte{4, 0x83, 0, 0, 146}, good[3:]...))
	c.bad("link-proof", "not-after-2-63", value(short(a.Public().Wire()), patched(date, 0, 0x80), short(sig)))
	c.bad("link-proof", "no-signature", value(short(a.Public().Wire()), date, short(nil)))
	c.bad("link-proof", "byte-inside", value(short(a.Public().Wire()), date, short(sig), []byte{0}))
	c.bad("link-proof", "signature-of-64-kib", value(short(a.Public().Wire()), date, short(make([]byte, 65535))))
}

// stored makes a store's values: which bucket, the key's length and the key, and the body
// that is kept under it, without its checksum.
func (c *corpus) stored() {
	a := newAuthor(0)
	run := a.first()
	id := a.id()
	chain := append(append([]byte{byte(len(topic))}, topic...), id[:]...)
	value := func(bucket string, key, body []byte) []byte {
		b := append([]byte{byte(len(bucket))}, bucket...)
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(key))), key...)
		return append(b, body...)
	}
	end := run.End()
	frontier := binary.BigEndian.AppendUint64(nil, end.Seq)
	frontier = binary.BigEndian.AppendUint64(append(frontier, end.Hash[:]...), end.Seq)
	c.good("store-value", "frontier", value("frontiers", chain, frontier))
	c.good("store-value", "key", value("keys", chain, a.Public().Wire()))
	c.good("store-value", "run", value("runs", binary.BigEndian.AppendUint64(bytes.Clone(chain), 1), run.Body()))
	record := append(append(append([]byte{byte(len(topic))}, topic...), "\x04head"...), id[:]...)
	c.good("store-value", "record", value("records", record, []byte("what is kept")))
	c.bad("store-value", "nothing", nil)
	c.bad("store-value", "frontier-cut-short", value("frontiers", chain, frontier[:47]))
	c.bad("store-value", "frontier-of-0", value("frontiers", chain, make([]byte, 48)))
	c.bad("store-value", "key-of-another", value("keys", chain, newAuthor(32).Public().Wire()))
	c.bad("store-value", "run-elsewhere", value("runs", binary.BigEndian.AppendUint64(bytes.Clone(chain), 2), run.Body()))
	c.bad("store-value", "run-without-author", value("runs", []byte("\x01t"), run.Body()))
	c.bad("store-value", "record-without-kind", value("records", chain, nil))
	c.bad("store-value", "other-bucket", value("buckets", chain, nil))
}

// standings makes what a replica stores of how the keystore spoke of an author.
func (c *corpus) standings() {
	open := []byte{0x80, 0, 0, 0, 0, 0, 0, 0}
	window := append(bytes.Clone(open), 0, 0, 0, 0, 0x6a, 0, 0, 0)
	c.good("standing", "admitted", []byte{1})
	c.good("standing", "out", []byte{2})
	c.good("standing", "until", append([]byte{1}, window...))
	c.good("standing", "two-windows", append(append([]byte{1}, window...), window[8], 0, 0, 0, 0x6b, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0))
	c.bad("standing", "nothing", nil)
	c.bad("standing", "neither", []byte{0})
	c.bad("standing", "third", []byte{3})
	c.bad("standing", "half-a-window", append([]byte{1}, open...))
	c.bad("standing", "cut-short", append([]byte{1}, window[:15]...))
	yearOne := binary.BigEndian.AppendUint64([]byte{1}, 1<<64-62135596800) // an open end, written otherwise
	c.bad("standing", "year-1", append(yearOne, window[8:]...))
	c.bad("standing", "4097-windows", append([]byte{1}, bytes.Repeat(window, 4097)...))
}

// crashes makes the sessions that hearsay fuzz keeps.
func (c *corpus) crashes() {
	const start = `{"format":"hearsay fuzz session 1","seed":1,"session":0,"topic":"t","why":"",`
	c.good("crash-file", "no-steps", []byte(`{"format":"hearsay fuzz session 1"}`))
	c.good("crash-file", "steps", []byte(start+`"steps":[{"what":"rubbish","bytes":"00ff"},{"bytes":"","wait_ms":5}]}`))
	for name, text := range map[string]string{
		"nothing": "", "other-format": `{"format":"hearsay fuzz session 2"}`, "unknown-field": start + `"x":1}`, "two": start + `"steps":[]}{}`,
		"not-hex": start + `"steps":[{"bytes":"0"}]}`, "negative-wait": start + `"steps":[{"wait_ms":-1}]}`, "wait-of-a-day": start + `"steps":[{"wait_ms":86400000}]}`,
		"deep": start + `"steps":` + strings.Repeat("[", 20000),
	} {
		c.bad("crash-file", name, []byte(text))
	}
}

// texts makes what comes as text: NDJSON, and requests of HTTP.
func (c *corpus) texts() {
	for name, line := range map[string]string{
		"surrogates": `{"key":"k","value":"\ud83d\ude00"}`, "base64": `{"key":"k","value_base64":"/wo=","x":[1,{}]}`, "number": `{"key":"k","value":1e4}`,
	} {
		c.good("ndjson", name, []byte(line))
	}
	for name, line := range map[string]string{
		"nothing": ``, "no-key": `{"value":"v"}`, "empty-key": `{"key":"","value":"v"}`, "key-twice": `{"key":"k","key":"k","value":"v"}`, "half-a-pair": `{"key":"k","value":"\ud83d"}`,
		"deep": `{"key":"k","value":` + strings.Repeat("[", 20000) + `}`, "bad-utf-8": "{\"key\":\"k\",\"value\":\"\xff\"}", "two-objects": `{"key":"k","value":1}{}`,
	} {
		c.bad("ndjson", name, []byte(line))
	}
	c.good("lines", "nothing", nil)
	c.good("lines", "three", []byte("one\n\nthree without an end"))
	c.good("lines", "longest", []byte(strings.Repeat("x", 32)+"\n"))
	c.bad("lines", "too-long", []byte("one\n"+strings.Repeat("x", 33)+"\nthree"))
	c.bad("lines", "more-than-a-buffer", bytes.Repeat([]byte("x"), 70_000))

	request := func(method, path, body string) []byte {
		return fmt.Appendf(nil, "%s %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", method, path, len(body), body)
	}
	id := newAuthor(0).id()
	c.good("key-server-request", "batch", request("POST", "/v1/keys", id.String()+"\n"))
	c.good("key-server-request", "one", request("GET", "/v1/keys/"+id.Fingerprint(), ""))
	c.bad("key-server-request", "unknown", request("GET", "/v1/keys/"+newAuthor(32).id().String(), ""))
	c.bad("key-server-request", "no-id", request("POST", "/v1/keys", "x\n"))
	c.bad("key-server-request", "257-ids", request("POST", "/v1/keys", strings.Repeat(id.String()+"\n", 257)))
	c.bad("key-server-request", "no-list", request("GET", "/v1/list", ""))
	c.bad("key-server-request", "nothing", nil)

	k := newAuthor(0).Public().String() + "\n"
	c.good("key-server-answer", "the-key", []byte(k))
	c.good("key-server-answer", "among-others", []byte(newAuthor(32).Public().String()+"\nx\n"+k))
	c.bad("key-server-answer", "nothing", nil)
	c.bad("key-server-answer", "another", []byte(newAuthor(32).Public().String()+"\n"))
	c.bad("key-server-answer", "certificate", []byte("ssh-ed25519-cert-v01@openssh.com AAAA\n"))

	for name, r := range map[string][]byte{
		"status": request("POST", "/v1/status", "{}"), "set": request("POST", "/v1/set?topic=default", `{"key":"k","value":"dg=="}`),
		"set-many": request("POST", "/v1/set-many?topic=default", `{"pairs":[{"key":"a","value":"dg=="},{"key":"b"}]}`),
		"dump":     request("POST", "/v1/dump?topic=default", "{}"), "tail": request("POST", "/v1/tail?topic=default", `{"tail":{"pattern":"a.*","last":1,"follow":true}}`),
		"publish": request("POST", "/v1/publish?topic=default", `{"name":"n","data":["dg=="]}`), "export": request("POST", "/v1/export?topic=default", "{}"),
		"do":     request("POST", "/v1/do?topic=default", `{"name":"list/insert","channel":"l","request":{"at":-1,"values":["dg=="]}}`),
		"import": request("POST", "/v1/import?topic=default", string(exportOf("default"))),
	} {
		c.good("socket-request", name, r)
	}
	for name, r := range map[string][]byte{
		"nothing": nil, "unknown-operation": request("POST", "/v1/rm", "{}"), "get": request("GET", "/v1/status", ""),
		"not-json": request("POST", "/v1/set?topic=default", "{"), "no-topic": request("POST", "/v1/dump?topic=other", "{}"),
		"empty-key": request("POST", "/v1/set?topic=default", `{"value":"dg=="}`), "seq-2-64": request("POST", "/v1/extract?topic=default", `{"seq":18446744073709551616}`),
		"unknown-do": request("POST", "/v1/do?topic=default", `{"name":"list/fly","request":{}}`), "do-of-another": request("POST", "/v1/do?topic=default", `{"name":"list/show","channel":"kv","request":{}}`),
		"bad-export": request("POST", "/v1/import?topic=default", "hearsay export?"), "deep": request("POST", "/v1/set", strings.Repeat("[", 20000)),
	} {
		c.bad("socket-request", name, r)
	}
}

// changes makes what the data models read from updates.
func (c *corpus) changes() {
	for name, b := range map[string]string{"set": "\x01\x00\x03keyvalue", "set-empty": "\x01\x00\x03key", "delete": "\x02\x00\x03key",
		"set-until": "\x03\x00\x03key\x18\xfa\xe2\x76\x93\xb4\x00\x00value", "set-until-the-end": "\x03\x00\x01k\x7f\xff\xff\xff\xff\xff\xff\xff"} {
		c.good("kv-change", name, []byte(b))
	}
	for name, b := range map[string]string{
		"nothing": "", "no-key": "\x01\x00\x00", "delete-with-value": "\x02\x00\x03keyx", "operation-0": "\x00\x00\x01k", "operation-4": "\x04\x00\x01k",
		"until-cut-short": "\x03\x00\x01k\x01\x02\x03\x04\x05\x06\x07", "until-0": "\x03\x00\x01k\x00\x00\x00\x00\x00\x00\x00\x00v", "until-2-63": "\x03\x00\x01k\x80\x00\x00\x00\x00\x00\x00\x00",
		"bad-utf-8": "\x01\x00\x01\xff", "long-key": "\x01\x04\x01" + strings.Repeat("k", 1025), "key-cut-short": "\x01\xff\xffk",
	} {
		c.bad("kv-change", name, []byte(b))
	}
	c.objectChanges()
	c.eventChanges()
	c.feedChanges()
}

// agents makes the bodies of an ssh-agent's answers.
func (c *corpus) agents() {
	a := newAuthor(0).Public()
	list := append(binary.BigEndian.AppendUint32(nil, 2), joined(a.Wire(), []byte("ada"), []byte("another kind"), nil)...)
	c.strict("agent-identities", "two", list)
	c.good("agent-identities", "none", make([]byte, 4))
	c.bad("agent-identities", "2-32-announced", []byte{0xff, 0xff, 0xff, 0xff})
	c.strict("agent-signature", "ed25519", joined(keys.MarshalSignature(keys.FormatEd25519, make([]byte, 64))))
	c.good("agent-signature", "short-rsa", joined(keys.MarshalSignature(keys.FormatRSASHA512, make([]byte, 64))))
	c.bad("agent-signature", "byte-inside", joined(append(keys.MarshalSignature(keys.FormatEd25519, make([]byte, 64)), 0)))
}

// scuttlebutt makes lines of the npm module's protocol, and its keys.
func (c *corpus) scuttlebutt() {
	for name, line := range map[string]string{
		"update": `[["key","value"],1700000000000,"ada"]`, "signed": `[["key",null],1700000000000.001,"ada","c2ln"]`,
		"not-canonical": `[ ["key", 1e3 ], 1.7e12, "\u0061da" ]`, "extra-digits": `[0,0.1000000000000000055511151231257827,"x"]`,
	} {
		c.good("scuttlebutt-update", name, []byte(line))
	}
	for name, line := range map[string]string{
		"nothing": "", "two-elements": `[1,2]`, "five-elements": `[1,2,"x","y",5]`, "timestamp-0": `[1,0,"x"]`, "timestamp-text": `[1,"2","x"]`,
		"source-number": `[1,2,3]`, "reserved-source": `[1,2,"__proto__"]`, "infinity": `[1,1e400,"x"]`, "deep": strings.Repeat("[", 20000), "two-values": `[1,2,"x"][1,2,"x"]`,
		"long-source": `[1,2,"` + strings.Repeat("x", 70000) + `"]`,
	} {
		c.bad("scuttlebutt-update", name, []byte(line))
	}
	for name, line := range map[string]string{
		"clock": `{"id":"ada","clock":{"bob":1700000000000,"eve":null}}`, "more": `{"id":"ada","clock":{},"meta":{"a":[1]},"x":1}`,
	} {
		c.good("scuttlebutt-header", name, []byte(line))
	}
	for name, line := range map[string]string{"nothing": "", "no-clock": `{"id":"ada"}`, "clock-array": `{"id":"ada","clock":[]}`, "array": `[]`, "cut-short": `{"id":`} {
		c.bad("scuttlebutt-header", name, []byte(line))
	}
}
