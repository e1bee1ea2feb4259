// Checks the vectors in this directory as docs/protocol.md says, with nothing but Node.js
// and that page: what is good must be accepted and mean what it says, what is bad must be
// refused by the check and with the class that it names.
//
//   node check.mjs [--self-test] [FILE.json ...]
//
// --self-test alters the vectors as well, and wants every alteration noticed.

import { createHash, createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";

class Refusal extends Error {
  constructor(cls, check, why) {
    super(`${cls}, ${check}${why ? ": " + why : ""}`);
    this.cls = cls;
    this.check = check;
  }
}

const refuse = (cls, check, why) => { throw new Refusal(cls, check, why); };
const need = (ok, cls, check, why) => { if (!ok) refuse(cls, check, why); };

const sha256 = (b) => createHash("sha256").update(b).digest();
const sha512 = (b) => createHash("sha512").update(b).digest();
const hex = (b) => b.toString("hex");
const utf8 = (s) => Buffer.from(s, "utf8");
const concat = (...parts) => Buffer.concat(parts);
const isZero = (b) => b.every((x) => x === 0);
const u16 = (n) => Buffer.from([n >> 8, n & 255]);
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
const u64 = (n) => { const b = Buffer.alloc(8); b.writeBigUInt64BE(n); return b; };

// The limits of the page.
const MAX_FRAME = 1048576, MAX_ENTRIES = 256, MAX_CHANGE = 1044480, MAX_PROOF = 57466;
const MAX_TOPIC = 255, MAX_CHANNEL = 64, MAX_INTEGER = 2n ** 63n - 1n;
const MAX_TOPICS = 64, MAX_META = 4096, MAX_SIGNATURE = 532, REF_SIZE = 74;
const MAGIC = concat(utf8("hearsay"), Buffer.from([1]));

// Reader takes fields from bytes. What is missing is refused by the check of the form.
class Reader {
  constructor(b, cls, form) { this.b = b; this.at = 0; this.cls = cls; this.form = form; }
  get left() { return this.b.length - this.at; }
  bytes(n) {
    need(n <= this.left, this.cls, this.form, "cut short");
    this.at += n;
    return this.b.subarray(this.at - n, this.at);
  }
  u8() { return this.bytes(1)[0]; }
  u16() { return this.bytes(2).readUInt16BE(); }
  u32() { return this.bytes(4).readUInt32BE(); }
  u64() { return this.bytes(8).readBigUInt64BE(); }
  opaque8() { return this.bytes(this.u8()); }
  opaque16() { return this.bytes(this.u16()); }
  opaque32() { return this.bytes(this.u32()); }
  end() { need(this.left === 0, this.cls, this.form, "bytes after it"); }
}

// name checks a name and returns it as text.
function name(b, most, check, least = 0) {
  need(b.length >= least && b.length <= most, "malformed", check, `${b.length} bytes`);
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(b);
  } catch {
    refuse("malformed", check, "not UTF-8");
  }
  need(!/[\u0000-\u001f\u007f-\u009f]/.test(text), "malformed", check, "control character");
  return text;
}

// ---- Keys

const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const mod = (a) => ((a % P) + P) % P;
const little = (b) => BigInt("0x" + (hex(Buffer.from(b).reverse()) || "0"));

function power(base, exponent) {
  let out = 1n;
  for (base = mod(base); exponent > 0n; exponent >>= 1n, base = mod(base * base)) {
    if (exponent & 1n) out = mod(out * base);
  }
  return out;
}

const D = mod(-121665n * power(121666n, P - 2n));
const SQRT_MINUS_1 = power(2n, (P - 1n) / 4n);

// canonicalPoint reports whether b is the canonical encoding of a point (RFC 8032 section 5.1.3).
function canonicalPoint(b) {
  const encoded = little(b), sign = encoded >> 255n, y = encoded & (2n ** 255n - 1n);
  if (y >= P) return false;
  const u = mod(y * y - 1n), v = mod(D * y * y + 1n);
  let x = mod(u * power(v, 3n) * power(u * power(v, 7n), (P - 5n) / 8n));
  if (mod(v * x * x) !== u) x = mod(x * SQRT_MINUS_1);
  if (mod(v * x * x) !== u) return false;
  return !(x === 0n && sign === 1n);
}

const SMALL_ORDER = new Set([
  "0100000000000000000000000000000000000000000000000000000000000000",
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  "0000000000000000000000000000000000000000000000000000000000000000",
  "0000000000000000000000000000000000000000000000000000000000000080",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]);

function mpint(r) {
  const b = r.opaque32();
  need(b.length > 0 && b[0] < 128 && (b[0] !== 0 || (b.length > 1 && b[1] >= 128)), "malformed", "key.rsa-form", "not minimal");
  return b[0] === 0 ? b.subarray(1) : b;
}

function parseKey(wire) {
  const r = new Reader(wire, "malformed", "key.type-string");
  const type = r.opaque32().toString("latin1");
  if (type === "ssh-ed25519") {
    r.form = "key.ed25519-form";
    const point = r.opaque32();
    need(point.length === 32, "malformed", r.form);
    r.end();
    need(canonicalPoint(point), "malformed", "key.ed25519-point");
    need(!SMALL_ORDER.has(hex(point)), "not-admitted", "key.ed25519-order");
    const jwk = { kty: "OKP", crv: "Ed25519", x: point.toString("base64url") };
    return { type, bits: 256, wire, size: 64, jwk };
  }
  need(type === "ssh-rsa", "not-admitted", "key.type", type);
  r.form = "key.rsa-form";
  const e = mpint(r), n = mpint(r);
  r.end();
  const bits = 8 * (n.length - 1) + n[0].toString(2).length;
  need(bits >= 2048 && bits <= 4096, "not-admitted", "key.rsa-bits", `${bits} bits`);
  need(n[n.length - 1] & 1, "malformed", "key.rsa-odd");
  const exponent = BigInt("0x" + hex(e));
  need(exponent >= 3n && exponent < 2n ** 24n && exponent & 1n, "not-admitted", "key.rsa-exponent");
  const jwk = { kty: "RSA", n: n.toString("base64url"), e: e.toString("base64url") };
  return { type, bits, wire, size: n.length, jwk };
}

const idOf = (key) => concat(Buffer.from([0x12, 0x20]), sha256(key.wire));

// ---- Node ids

const ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

function base58(b) {
  let out = "";
  for (let n = BigInt("0x" + (hex(b) || "0")); n > 0n; n /= 58n) out = ALPHABET[Number(n % 58n)] + out;
  for (const x of b) {
    if (x !== 0) break;
    out = "1" + out;
  }
  return out;
}

function fromBase58(text) {
  need(text.length <= 64 && [...text].every((c) => ALPHABET.includes(c)), "bad-id", "id.base58");
  let n = 0n;
  for (const c of text) n = n * 58n + BigInt(ALPHABET.indexOf(c));
  let digits = n === 0n ? "" : n.toString(16);
  if (digits.length % 2) digits = "0" + digits;
  return concat(Buffer.alloc(text.match(/^1*/)[0].length), Buffer.from(digits, "hex"));
}

const isID = (b) => b.length === 34 && b[0] === 0x12 && b[1] === 0x20;
const fingerprint = (id) => "SHA256:" + id.subarray(2).toString("base64").replace(/=$/, "");

function parseTextID(text) {
  if (text.startsWith("SHA256:")) {
    const digest = Buffer.from(text.slice(7), "base64");
    const id = concat(Buffer.from([0x12, 0x20]), digest);
    need(digest.length === 32 && fingerprint(id) === text, "bad-id", "id.fingerprint");
    return id;
  }
  const id = fromBase58(text);
  need(isID(id), "bad-id", "id.base58");
  return id;
}

const idMeaning = (id) => ({ id: hex(id), base58: base58(id), fingerprint: fingerprint(id) });
const keyMeaning = (key) => ({ type: key.type, bits: key.bits, ...idMeaning(idOf(key)) });

// ---- Signatures

const string = (b) => concat(u32(b.length), b);

// signedData is what a key signs for a message whose SHA-256 is digest.
const signedData = (namespace, digest) =>
  concat(utf8("SSHSIG"), string(utf8(namespace)), string(Buffer.alloc(0)), string(utf8("sha256")), string(digest));

function checkSignature(key, namespace, digest, blob) {
  const r = new Reader(blob, "bad-signature", "signature.form");
  const format = r.opaque32().toString("latin1"), signature = r.opaque32();
  r.end();
  const formats = key.type === "ssh-ed25519" ? ["ssh-ed25519"] : ["rsa-sha2-256", "rsa-sha2-512"];
  need(formats.includes(format), "bad-signature", "signature.format", format);
  need(signature.length === key.size, "bad-signature", "signature.size", `${signature.length} bytes`);
  const signed = signedData(namespace, digest);
  const object = createPublicKey({ key: key.jwk, format: "jwk" });
  if (format === "ssh-ed25519") {
    need(little(signature.subarray(32)) < L, "bad-signature", "signature.ed25519", "S");
    need(verify(null, signed, object, signature), "bad-signature", "signature.ed25519");
  } else {
    need(verify(format === "rsa-sha2-256" ? "sha256" : "sha512", signed, object, signature), "bad-signature", "signature.rsa");
  }
}

// checkStatement opens a statement: key and signatures, under the names of its own checks.
function checkStatement(what, author, key, namespace, ...signed) {
  need(idOf(key).equals(author), "wrong-key", what + ".key");
  for (const [digest, blob] of signed) {
    try {
      checkSignature(key, namespace, digest, blob);
    } catch (e) {
      if (e instanceof Refusal) refuse("bad-signature", what + ".signature", e.check);
      throw e;
    }
  }
}

// ---- Updates

const headerOf = (h) => concat(MAGIC, Buffer.from([h.topic.length]), h.topic, h.author, u64(h.seq), u64(h.time), h.prev,
  Buffer.from([h.kind, h.channel.length]), h.channel, u32(h.size), h.digest);

function checkPlace(what, seq, prev) {
  need(seq >= 1n && seq <= MAX_INTEGER, "malformed", what + ".seq");
  need((seq === 1n) === isZero(prev), "malformed", what + ".prev");
}

function checkContent(what, e) {
  need(e.time <= MAX_INTEGER, "malformed", what + ".time");
  need(e.kind !== 0, "malformed", what + ".kind");
  name(e.channel, MAX_CHANNEL, what + ".channel");
}

function parseHeader(b) {
  need(b.subarray(0, 8).equals(MAGIC), "malformed", "header.magic");
  const r = new Reader(b, "malformed", "header.form"), h = {};
  r.bytes(8);
  h.topic = r.opaque8();
  h.author = r.bytes(34);
  h.seq = r.u64();
  h.time = r.u64();
  h.prev = r.bytes(32);
  h.kind = r.u8();
  h.channel = r.opaque8();
  h.size = r.u32();
  h.digest = r.bytes(32);
  r.end();
  need(isID(h.author), "malformed", "header.author");
  name(h.topic, MAX_TOPIC, "header.topic", 1);
  need(h.size <= MAX_CHANGE, "malformed", "header.size");
  checkPlace("header", h.seq, h.prev);
  checkContent("header", h);
  return h;
}

// chainHashes makes the headers of entries behind prev, and returns their hashes.
function chainHashes(topic, author, first, prev, entries) {
  const hashes = [];
  entries.forEach((e, i) => {
    prev = sha256(headerOf({ ...e, topic, author, seq: first + BigInt(i), prev }));
    hashes.push(prev);
  });
  return hashes;
}

const entryMeanings = (entries, hashes) => entries.map((e, i) => ({
  time: String(e.time), kind: e.kind, channel: e.channel.toString("utf8"), size: e.size, digest: hex(e.digest), hash: hex(hashes[i]),
}));

// ---- Runs

function parseRun(topic, body) {
  need(body.length <= MAX_FRAME, "malformed", "run.size");
  const r = new Reader(body, "malformed", "run.form");
  const run = { author: r.bytes(34), first: r.u64(), prev: r.bytes(32) }, n = r.u16();
  need(isID(run.author), "malformed", "run.author");
  need(n <= MAX_ENTRIES && n * 15 <= r.left, "malformed", "run.announced", `${n} entries`);
  run.entries = [];
  for (let i = 0; i < n; i++) run.entries.push(readEntry(r));
  run.signature = r.opaque16();
  r.end();
  need(run.signature.length >= 1 && run.signature.length <= MAX_SIGNATURE, "malformed", "run.signature-size");
  name(topic, MAX_TOPIC, "run.topic", 1);
  need(n >= 1, "malformed", "run.entries");
  checkPlace("run", run.first, run.prev);
  run.last = run.first + BigInt(n) - 1n;
  need(run.last <= MAX_INTEGER, "malformed", "run.last");
  run.hashes = chainHashes(topic, run.author, run.first, run.prev, run.entries);
  return run;
}

function readEntry(r) {
  const e = { time: r.u64(), kind: r.u8(), channel: r.opaque8() }, form = r.u8();
  need(form === 1 || form === 2, "malformed", "entry.presence", `form ${form}`);
  e.absent = form === 2;
  if (e.absent) {
    e.size = r.u32();
    e.digest = r.bytes(32);
  } else {
    const change = r.opaque32();
    e.size = change.length;
    e.digest = sha256(change);
  }
  need(e.size <= MAX_CHANGE, "malformed", "entry.size");
  checkContent("entry", e);
  return e;
}

const openRun = (run, key) => checkStatement("run", run.author, key, "hearsay-update", [run.hashes.at(-1), run.signature]);

// ---- Heads

function parseHead(topic, body) {
  const r = new Reader(body, "malformed", "head.form"), h = { author: r.bytes(34) };
  need(isID(h.author), "malformed", "head.author");
  h.seq = r.u64();
  h.hash = r.bytes(32);
  h.issued = r.u64();
  h.signature = r.opaque16();
  r.end();
  need(h.signature.length >= 1 && h.signature.length <= MAX_SIGNATURE, "malformed", "head.signature-size");
  name(topic, MAX_TOPIC, "head.topic", 1);
  need(h.seq <= MAX_INTEGER, "malformed", "head.seq");
  need(h.issued <= MAX_INTEGER, "malformed", "head.issued");
  need((h.seq === 0n) === isZero(h.hash), "malformed", "head.hash");
  h.message = concat(MAGIC, Buffer.from([topic.length]), topic, h.author, u64(h.seq), h.hash, u64(h.issued));
  return h;
}

const openHead = (h, key) => checkStatement("head", h.author, key, "hearsay-head", [sha256(h.message), h.signature]);

// ---- Proofs

function parseProof(topic, body) {
  need(body.length <= MAX_PROOF, "malformed", "proof.size");
  const r = new Reader(body, "malformed", "proof.form");
  const p = { author: r.bytes(34), first: r.u64(), prev: r.bytes(32) };
  need(isID(p.author), "malformed", "proof.author");
  p.chains = [readChain(r, topic, p), readChain(r, topic, p)];
  r.end();
  need(Buffer.compare(p.chains[0].hashes[0], p.chains[1].hashes[0]) < 0, "malformed", "proof.order");
  return p;
}

function readChain(r, topic, p) {
  const n = r.u16(), c = { updates: [] };
  need(n <= MAX_ENTRIES && n * 46 <= r.left, "malformed", "chain.announced", `${n} updates`);
  for (let i = 0; i < n; i++) {
    const e = { time: r.u64(), kind: r.u8(), channel: r.opaque8(), size: r.u32(), digest: r.bytes(32) };
    need(e.size <= MAX_CHANGE, "malformed", "entry.size");
    checkContent("entry", e);
    c.updates.push(e);
  }
  c.signature = r.opaque16();
  need(c.signature.length >= 1 && c.signature.length <= MAX_SIGNATURE, "malformed", "chain.signature-size");
  name(topic, MAX_TOPIC, "chain.topic", 1);
  need(n >= 1, "malformed", "chain.updates");
  checkPlace("chain", p.first, p.prev);
  need(p.first + BigInt(n) - 1n <= MAX_INTEGER, "malformed", "chain.last");
  c.hashes = chainHashes(topic, p.author, p.first, p.prev, c.updates);
  return c;
}

const openProof = (p, key) =>
  checkStatement("proof", p.author, key, "hearsay-update", ...p.chains.map((c) => [c.hashes.at(-1), c.signature]));

// ---- Statements by the type of their frame

const RUN = 3, HEAD = 4, FORK = 6;
const parsers = { [RUN]: parseRun, [HEAD]: parseHead, [FORK]: parseProof };
const openers = { [RUN]: openRun, [HEAD]: openHead, [FORK]: openProof };
const isStatement = (type) => type in parsers;

function parseStatement(type, topic, body) {
  return { type, topic, ...parsers[type](utf8(topic), body) };
}

// ---- Histories

// History is what is stored of one author.
class History {
  constructor() { this.hashes = []; this.frontier = 0n; this.cut = 0n; }

  hash(seq) { return seq === 0n ? Buffer.alloc(32) : this.hashes[Number(seq) - 1]; }

  // take has an opened or unopened statement take effect; open checks its signatures.
  take(s, open) {
    if (s.type === RUN) return this.takeRun(s, open);
    open();
    if (s.type === FORK) this.cutAt(s.first);
  }

  takeRun(run, open) {
    need(this.cut === 0n || run.first < this.cut, "cut", "history.cut");
    need(run.entries.every((e) => !e.absent), "erased", "history.erased");
    open();
    need(run.first <= this.frontier + 1n, "gap", "history.gap");
    if (run.last <= this.frontier || (this.cut > 0n && this.frontier === this.cut - 1n)) {
      this.compare(run);
      return;
    }
    const says = this.frontier < run.first ? run.prev : run.hashes[Number(this.frontier - run.first)];
    if (!says.equals(this.hash(this.frontier))) {
      this.compare(run);
      refuse("second", "history.second");
    }
    need(run.entries.every((e) => e.kind === 1), "newer", "history.kind");
    run.hashes.forEach((h, i) => { this.hashes[Number(run.first) - 1 + i] = h; });
    this.frontier = run.last;
    if (this.cut > 0n) this.cutAt(this.cut);
  }

  // compare looks for a fork that the run and what is stored prove.
  compare(run) {
    if (!this.hash(run.first - 1n).equals(run.prev)) return;
    for (let seq = run.first; seq <= run.last && seq <= this.frontier; seq++) {
      if (!this.hash(seq).equals(run.hashes[Number(seq - run.first)])) {
        this.cutAt(seq);
        return;
      }
    }
  }

  cutAt(seq) {
    if (this.cut === 0n || seq < this.cut) this.cut = seq;
    if (this.frontier >= this.cut) this.frontier = this.cut - 1n;
  }
}

// ---- Frames

function readFrame(r) {
  const type = r.u8(), handle = r.u16(), length = r.u32();
  need(type !== 0, "malformed", "frame.type");
  need(length <= MAX_FRAME, "malformed", "frame.length", `${length} bytes`);
  return { type, handle, body: r.bytes(length) };
}

function parseHello(body) {
  const r = new Reader(body, "malformed", "hello.form"), h = { version: r.u16() }, agent = r.opaque8(), meta = r.opaque16(), n = r.u8();
  need(h.version !== 0, "malformed", "hello.version");
  need(meta.length <= MAX_META, "malformed", "hello.meta");
  h.agent = name(agent, 255, "hello.agent");
  h.meta = hex(meta);
  need(n <= MAX_TOPICS, "malformed", "hello.topics");
  h.topics = [];
  for (let i = 0; i < n; i++) {
    const handle = r.u16(), topic = name(r.opaque8(), MAX_TOPIC, "hello.topic", 1);
    need(handle !== 0 && h.topics.every((t) => t.handle !== handle && t.topic !== topic), "malformed", "hello.handle");
    h.topics.push({ handle, topic });
  }
  r.end();
  return h;
}

function parseDigest(body) {
  const r = new Reader(body, "malformed", "digest.form"), nonce = r.u64(), more = r.u8(), unnamed = r.u8(), refs = [];
  need(nonce <= MAX_INTEGER, "malformed", "digest.nonce");
  need(more <= 1, "malformed", "digest.more");
  need(unnamed === 1 || unnamed === 2, "malformed", "digest.unnamed");
  need(r.left % REF_SIZE === 0, "malformed", "digest.refs");
  while (r.left > 0) {
    const ref = { author: r.bytes(34), seq: r.u64(), hash: r.bytes(32) };
    need(isID(ref.author), "malformed", "digest.author");
    need(ref.seq <= MAX_INTEGER, "malformed", "digest.seq");
    need((ref.seq === 0n) === isZero(ref.hash), "malformed", "digest.hash");
    need(refs.length === 0 || Buffer.compare(refs.at(-1).author, ref.author) < 0, "malformed", "digest.order");
    refs.push(ref);
  }
  return { nonce, more: more === 1, unnamed, refs };
}

function parseKeyFrame(body) {
  try {
    return parseKey(body);
  } catch (e) {
    if (e instanceof Refusal) refuse("malformed", "frame.key", e.message);
    throw e;
  }
}

function parseDone(body) {
  need(body.length === 8, "malformed", "done.form");
  const nonce = body.readBigUInt64BE();
  need(nonce <= MAX_INTEGER, "malformed", "done.nonce");
  return nonce;
}

function parseClose(body) {
  const r = new Reader(body, "malformed", "close.form"), code = r.u16(), text = r.opaque8();
  r.end();
  need(code !== 0, "malformed", "close.code");
  return { code, text: name(text, 255, "close.text") };
}

// ---- Sessions

// Side is one side of a session, as a receiver: what it has, and what it makes of frames.
class Side {
  constructor(topics, start) {
    this.topics = topics;
    this.asked = new Set(); // nonces of the digests that it has sent
    this.keys = new Map();
    this.dropped = [];
    this.histories = new Map(topics.map((t) => [t, new Map()]));
    for (const s of start) {
      const key = parseKey(bytes(s.key)), st = parseStatement(s.type, s.topic, bytes(s.body));
      this.history(s.topic, st.author).take(st, () => openers[s.type](st, key));
    }
  }

  history(topic, author) {
    const all = this.histories.get(topic), id = hex(author);
    if (!all.has(id)) all.set(id, new History());
    return all.get(id);
  }

  receive(stream) {
    const r = new Reader(stream, "cut-short", "frame.whole"), f = readFrame(r);
    if (r.left !== 0) throw new Error("a step of a session is one frame");
    if (!this.handles) return this.greet(f);
    if (f.type === 8) { parseClose(f.body); return f; }
    if (f.type >= 128) return f;
    need(f.type !== 1, "protocol", "session.hello-once");
    const topic = this.handles.get(f.handle);
    need(topic !== undefined, "protocol", "session.handle", `${f.handle}`);
    need(f.type <= 7, "protocol", "session.type", `${f.type}`);
    if (f.type === 2) f.digest = this.digest(f.body);
    if (f.type === 5) { const k = parseKeyFrame(f.body); this.keys.set(hex(idOf(k)), k); }
    if (f.type === 7) f.nonce = parseDone(f.body);
    if (isStatement(f.type)) this.statement(parseStatement(f.type, topic, f.body));
    return f;
  }

  greet(f) {
    if (f.type === 8) { parseClose(f.body); return f; }
    need(f.type === 1 && f.handle === 0, "protocol", "session.hello-first");
    const hello = parseHello(f.body);
    need(hello.version === 1, "version", "session.version");
    const common = hello.topics.filter((t) => this.topics.includes(t.topic));
    need(common.length > 0, "topic", "session.topic");
    this.handles = new Map(common.map((t) => [t.handle, t.topic]));
    return f;
  }

  digest(body) {
    const d = parseDigest(body), p = this.partial;
    if (p) {
      need(d.nonce === p.nonce && d.unnamed === p.unnamed && d.refs.length > 0 &&
        Buffer.compare(p.refs.at(-1).author, d.refs[0].author) < 0, "protocol", "session.digest-parts");
      d.refs = [...p.refs, ...d.refs];
    }
    need(!d.more || d.refs.length > 0, "protocol", "session.digest-more");
    this.partial = d.more ? d : undefined;
    return d;
  }

  // statement takes one. Refusals that nobody is to blame for end here.
  statement(s) {
    try {
      const key = this.keys.get(hex(s.author));
      this.history(s.topic, s.author).take(s, () => {
        need(key, "no-key", "export.key");
        openers[s.type](s, key);
      });
    } catch (e) {
      if (!(e instanceof Refusal) || closeCode(e.cls) !== undefined) throw e;
      this.dropped.push(e.cls);
    }
  }

  ends() {
    const out = [];
    for (const [topic, all] of this.histories) {
      for (const [author, h] of [...all].sort(([a], [b]) => (a < b ? -1 : 1))) {
        if (h.frontier > 0n) out.push({ topic, author, seq: String(h.frontier), hash: hex(h.hash(h.frontier)), cut: String(h.cut) });
      }
    }
    return { has: out, dropped: this.dropped };
  }
}

function checkSession(v) {
  const sides = { a: new Side(v.topics.a, v.start.a), b: new Side(v.topics.b, v.start.b) };
  v.steps.forEach((step, i) => {
    const receiver = sides[step.from === "a" ? "b" : "a"], sender = sides[step.from];
    try {
      const f = receiver.receive(bytes(step.frame));
      if (f.digest) sender.asked.add(f.digest.nonce);
      if (f.nonce !== undefined && !receiver.asked.has(f.nonce)) throw new Error(`step ${i} answers digest ${f.nonce}, which was not sent`);
    } catch (e) {
      if (e instanceof Refusal && i < v.steps.length - 1) throw new Error(`step ${i} of ${v.steps.length} is refused: ${e.message}`);
      if (e instanceof Refusal) e.close = closeCode(e.cls);
      throw e;
    }
  });
  return { a: sides.a.ends(), b: sides.b.ends() };
}

const closeCode = (cls) => ({ malformed: 2, protocol: 2, "bad-signature": 3, "wrong-key": 3, topic: 5, version: 6 })[cls];

// ---- Links

// Der reads DER, one element at a time.
class Der {
  constructor(b) { this.b = b; this.at = 0; }
  get left() { return this.b.length - this.at; }
  next(tag) {
    const start = this.at, got = this.b[this.at], first = this.b[this.at + 1];
    let length = first, head = 2;
    if (first >= 0x80) {
      head += first & 0x7f;
      length = this.b.subarray(this.at + 2, this.at + head).reduce((n, x) => n * 256 + x, 0);
      const shortest = length < 0x80 ? 0 : Math.ceil(length.toString(16).length / 2);
      if (first === 0x80 || shortest !== head - 2) throw new DerError();
    }
    if (!(this.left >= 2) || (tag !== undefined && got !== tag) || length > this.left - head) throw new DerError();
    this.at += head + length;
    return { tag: got, content: this.b.subarray(start + head, this.at), whole: this.b.subarray(start, this.at) };
  }
  inside(tag) { return new Der(this.next(tag).content); }
  peek(tag) { return this.left > 0 && this.b[this.at] === tag; }
  end() { if (this.left !== 0) throw new DerError(); }
}

class DerError extends Error {}

const SEQUENCE = 0x30, OCTETS = 0x04, OID = 0x06, BITS = 0x03, INTEGER = 0x02, BOOLEAN = 0x01;

function oid(...arcs) {
  const out = [40 * arcs[0] + arcs[1]];
  for (const arc of arcs.slice(2)) {
    const digits = [arc & 127];
    for (let n = Math.floor(arc / 128); n > 0; n = Math.floor(n / 128)) digits.unshift((n & 127) | 128);
    out.push(...digits);
  }
  return hex(Buffer.from(out));
}

const PROOF_OID = oid(1, 2, 840, 113556, 1, 8000, 2554, 50228, 1912, 26405, 16453, 46579, 11919220, 7095939);
const ED25519_OID = oid(1, 3, 101, 112);

function parseCertificate(b) {
  const outer = new Der(b), c = outer.inside(SEQUENCE);
  outer.end();
  const tbs = c.next(SEQUENCE), algorithm = c.next(SEQUENCE), signature = c.next(BITS).content;
  c.end();
  const t = new Der(tbs.content);
  if (hex(t.inside(0xa0).next(INTEGER).content) !== "02") throw new DerError(); // v3
  t.next(INTEGER); // serial number
  if (!t.next(SEQUENCE).whole.equals(algorithm.whole)) throw new DerError();
  for (let i = 0; i < 3; i++) t.next(SEQUENCE); // issuer, validity, subject
  const info = t.inside(SEQUENCE), keyAlgorithm = info.next(SEQUENCE).content, key = info.next(BITS).content;
  const extensions = t.peek(0xa3) ? readExtensions(t.inside(0xa3)) : [];
  t.end();
  return { signed: tbs.whole, algorithm: algorithm.content, signature, keyAlgorithm, key, extensions };
}

function readExtensions(d) {
  const list = d.inside(SEQUENCE), out = [];
  while (list.left > 0) {
    const x = list.inside(SEQUENCE), id = hex(x.next(OID).content);
    const critical = x.peek(BOOLEAN) ? hex(x.next(BOOLEAN).content) === "ff" : false;
    out.push({ id, critical, value: x.next(OCTETS).content });
    x.end();
  }
  return out;
}

const isEd25519 = (algorithm) => hex(algorithm) === "0603" + ED25519_OID;

function checkLink(v) {
  need(!v.resumed, "protocol", "link.resumed");
  need(v.certificates.length > 0, "certificate", "link.none");
  let leaf;
  try {
    leaf = parseCertificate(bytes(v.certificates[0]));
  } catch (e) {
    if (e instanceof DerError) refuse("certificate", "link.none", "does not parse");
    throw e;
  }
  const ours = leaf.extensions.filter((x) => x.id === PROOF_OID);
  need(ours.length === 1, "certificate", "link.extension", `${ours.length} times`);
  need(leaf.extensions.every((x) => x.id === PROOF_OID || !x.critical), "certificate", "link.critical");
  need(v.certificates.length === 1, "certificate", "link.one");
  need(isEd25519(leaf.keyAlgorithm) && leaf.key.length === 33 && leaf.key[0] === 0, "certificate", "link.ed25519");
  const key = leaf.key.subarray(1);
  const object = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: key.toString("base64url") }, format: "jwk" });
  need(isEd25519(leaf.algorithm) && leaf.signature[0] === 0 && verify(null, leaf.signed, object, leaf.signature.subarray(1)),
    "certificate", "link.self-signed");
  const p = parseLinkProof(ours[0].value), now = BigInt(v.now);
  need(now - p.notAfter <= TOLERANCE, "proof", "link.expired");
  need(p.notAfter - now <= LIFETIME + TOLERANCE, "proof", "link.lifetime");
  const message = concat(MAGIC, u64(p.notAfter), key);
  try {
    checkSignature(p.key, "hearsay-link", sha256(message), p.signature);
  } catch (e) {
    if (e instanceof Refusal) refuse("proof", "link.signature", e.check);
    throw e;
  }
  need(v.version === 0x0304 && v.alpn === "hearsay/1", "protocol", "link.protocol");
  const id = idOf(p.key);
  need(!id.equals(parseTextID(v.self)), "own-id", "link.own-id");
  need(!v.want || id.equals(parseTextID(v.want)), "wrong-id", "link.wrong-id");
  return { id: hex(id), not_after: String(p.notAfter), certificate_key: hex(key), message: hex(message) };
}

const SECOND = 1000000000n, TOLERANCE = 2n * 60n * SECOND, LIFETIME = 7n * 24n * 3600n * SECOND;

function parseLinkProof(value) {
  let content;
  try {
    const d = new Der(value);
    content = d.next(OCTETS).content;
    d.end();
  } catch (e) {
    if (e instanceof DerError) refuse("proof", "link.form", "OCTET STRING");
    throw e;
  }
  const r = new Reader(content, "proof", "link.form"), key = r.opaque16(), notAfter = r.u64(), signature = r.opaque16();
  r.end();
  need(signature.length >= 1 && signature.length <= MAX_SIGNATURE && notAfter <= MAX_INTEGER, "proof", "link.range");
  try {
    return { key: parseKey(key), notAfter, signature };
  } catch (e) {
    if (e instanceof Refusal) refuse("proof", "link.key", e.message);
    throw e;
  }
}

// ---- Export files

const EXPORT_MAGIC = concat(utf8("hearsay export"), Buffer.from([1, 10]));

function checkExport(v) {
  const file = bytes(v.file);
  need(file.subarray(0, 16).equals(EXPORT_MAGIC), "malformed", "export.magic");
  const r = new Reader(file.subarray(16), "cut-short", "frame.whole"), first = readFrame(r);
  need(first.type === 1 && first.handle === 0, "malformed", "export.hello");
  const hello = parseHello(first.body), topics = new Map(hello.topics.map((t) => [t.handle, t.topic]));
  const keys = new Map(), statements = [];
  for (;;) {
    const f = readFrame(r);
    if (f.type === 5 || isStatement(f.type)) need(topics.has(f.handle), "malformed", "export.handle");
    if (f.type === 5) {
      const k = parseKeyFrame(f.body);
      keys.set(hex(idOf(k)), k);
    } else if (isStatement(f.type)) {
      const s = parseStatement(f.type, topics.get(f.handle), f.body), key = keys.get(hex(s.author));
      need(key, "no-key", "export.key");
      openers[f.type](s, key);
      const seq = { [RUN]: s.last, [HEAD]: s.seq, [FORK]: s.first }[f.type];
      statements.push({ type: f.type, topic: s.topic, author: hex(s.author), seq: String(seq) });
    } else if (f.type === 7) {
      const count = parseDone(f.body);
      need(f.handle === 0, "malformed", "export.end-handle");
      need(count === BigInt(statements.length), "malformed", "export.count");
      need(r.left === 0, "malformed", "export.after");
      return { hello, statements };
    } else {
      need(f.type >= 128, "malformed", "export.type", `${f.type}`);
    }
  }
}

// ---- The files of vectors: what is made of one vector

const checkers = {
  "keys.json": (v) => keyMeaning(parseKey(bytes(v.wire))),
  "ids.json": (v) => {
    if (v.bytes === undefined) return idMeaning(parseTextID(v.text));
    const id = bytes(v.bytes);
    need(isID(id), "bad-id", "id.multihash");
    return idMeaning(id);
  },
  "signatures.json": (v) => {
    const digest = sha256(bytes(v.message));
    checkSignature(parseKey(bytes(v.key)), v.namespace, digest, bytes(v.signature));
    return { signed: hex(signedData(v.namespace, digest)) };
  },
  "updates.json": (v) => {
    const h = parseHeader(bytes(v.header));
    if (v.change !== undefined) {
      const change = bytes(v.change);
      if (change.length !== h.size || !sha256(change).equals(h.digest)) throw new Error("the change is not the header's");
    }
    return {
      topic: h.topic.toString("utf8"), author: hex(h.author), seq: String(h.seq), time: String(h.time), prev: hex(h.prev), kind: h.kind,
      channel: h.channel.toString("utf8"), size: h.size, digest: hex(h.digest), hash: hex(sha256(headerOf(h))),
    };
  },
  "runs.json": (v) => {
    const run = parseRun(utf8(v.topic), bytes(v.body));
    openRun(run, parseKey(bytes(v.key)));
    return {
      author: hex(run.author), first: String(run.first), prev: hex(run.prev),
      entries: entryMeanings(run.entries, run.hashes), signature: hex(run.signature),
    };
  },
  "heads.json": (v) => {
    const h = parseHead(utf8(v.topic), bytes(v.body));
    openHead(h, parseKey(bytes(v.key)));
    return { author: hex(h.author), seq: String(h.seq), hash: hex(h.hash), issued: String(h.issued), message: hex(h.message) };
  },
  "proofs.json": (v) => {
    const p = parseProof(utf8(v.topic), bytes(v.body));
    openProof(p, parseKey(bytes(v.key)));
    return {
      author: hex(p.author), first: String(p.first), prev: hex(p.prev),
      chains: p.chains.map((c) => ({ updates: entryMeanings(c.updates, c.hashes), signature: hex(c.signature) })),
    };
  },
  "frames.json": (v) => {
    const r = new Reader(bytes(v.bytes), "cut-short", "frame.whole"), f = readFrame(r);
    const m = { type: f.type, handle: f.handle, body: hex(f.body) };
    if (f.type === 1) m.hello = parseHello(f.body);
    if (f.type === 2) {
      const d = parseDigest(f.body);
      m.digest = { ...d, nonce: String(d.nonce), refs: d.refs.map((x) => ({ author: hex(x.author), seq: String(x.seq), hash: hex(x.hash) })) };
    }
    if (f.type === 5) m.key = keyMeaning(parseKeyFrame(f.body));
    if (f.type === 7) m.done = { nonce: String(parseDone(f.body)) };
    if (f.type === 8) m.close = parseClose(f.body);
    if (r.left !== 0) throw new Error("bytes after the frame");
    return m;
  },
  "links.json": checkLink,
  "exports.json": checkExport,
  "histories.json": (v) => {
    const h = new History(), key = parseKey(bytes(v.key));
    v.steps.forEach((step, i) => {
      let refusal;
      try {
        const s = parseStatement(step.type, v.topic, bytes(step.body));
        h.take(s, () => openers[step.type](s, key));
      } catch (e) {
        if (!(e instanceof Refusal)) throw e;
        if (i < v.steps.length - 1) throw new Error(`step ${i} is refused: ${e.message}`);
        refusal = e;
      }
      const got = { seq: String(h.frontier), hash: hex(h.hash(h.frontier)), cut: String(h.cut) };
      const want = { seq: step.seq, hash: step.hash, cut: step.cut };
      if (!isDeepStrictEqual(got, want)) throw new Error(`step ${i} leads to ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
      if (refusal) throw refusal;
    });
  },
  "sessions.json": checkSession,
};

// bytes decodes hex, or a list of hex and repetitions.
function bytes(v) {
  if (typeof v !== "string") {
    return concat(...v.map((p) => (typeof p === "string" ? bytes(p) : Buffer.alloc(p.times, Buffer.from(p.repeat, "hex")))));
  }
  if (!/^([0-9a-f]{2})*$/.test(v)) throw new Error("not hex");
  return Buffer.from(v, "hex");
}

// plain turns the bytes in what a vector means into hex.
const plain = (m) => JSON.parse(JSON.stringify(m), (k, x) =>
  (Array.isArray(x) && x.some((p) => p !== null && typeof p === "object" && "repeat" in p) ? hex(bytes(x)) : x));

// problem says what is wrong with a vector, or with this program: nothing, if undefined.
function problem(file, v, good) {
  let means;
  try {
    means = checkers[file](v);
  } catch (e) {
    if (!(e instanceof Refusal)) return `${e.message}`;
    if (good) return `refused: ${e.message}`;
    if (e.cls !== v.class || e.check !== v.check) return `refused as ${e.message}; want ${v.class}, ${v.check}`;
    if (v.close !== undefined && e.close !== v.close) return `closed with ${e.close}, want ${v.close}`;
    return undefined;
  }
  if (!good) return `accepted; want ${v.class}, ${v.check}`;
  if (v.means !== undefined && !isDeepStrictEqual(plain(means), plain(v.means))) {
    return `means ${JSON.stringify(means).slice(0, 300)}, want ${JSON.stringify(v.means).slice(0, 300)}`;
  }
  return undefined;
}

// ---- Self-test

// inputs are the fields whose every bit counts.
const inputs = {
  "keys.json": ["wire"], "ids.json": ["bytes"], "signatures.json": ["key", "message", "signature"], "updates.json": ["header", "change"],
  "runs.json": ["key", "body"], "heads.json": ["key", "body"], "proofs.json": ["key", "body"], "frames.json": ["bytes"], "exports.json": ["file"],
};

const replaced = (list, i, x) => list.map((old, j) => (i === j ? x : old));

// altered yields copies of a good vector with a bit flipped. What is in a frame that is
// skipped, or a statement without its key, is nobody's to notice.
function* altered(file, v) {
  const flip = (v, at, of) => {
    const b = bytes(v), i = Math.floor((at * b.length) / of);
    b[i] ^= 1 << at % 8;
    return hex(b);
  };
  const times = 6;
  for (let at = 0; at < times; at++) {
    for (const field of inputs[file] ?? []) {
      if (v[field] !== undefined && bytes(v[field]).length > 0 && !v.name.includes("may be skipped")) yield { ...v, [field]: flip(v[field], at, times) };
    }
    if (file === "ids.json" && v.text) yield { ...v, text: v.text.slice(0, at) + (v.text[at] === "z" ? "y" : "z") + v.text.slice(at + 1) };
    if (file === "links.json") yield { ...v, certificates: [flip(v.certificates[0], at, times)] };
    if (file === "histories.json") {
      for (const [i, s] of v.steps.entries()) yield { ...v, steps: replaced(v.steps, i, { ...s, body: flip(s.body, at, times) }) };
    }
    if (file === "sessions.json" && v.means.b.dropped.length === 0) {
      for (const [i, s] of v.steps.entries()) {
        const frame = bytes(s.frame);
        if (isStatement(frame[0])) {
          const body = frame.subarray(7);
          yield { ...v, steps: replaced(v.steps, i, { ...s, frame: hex(frame.subarray(0, 7)) + flip(hex(body), at, times) }) };
        }
      }
    }
  }
}

function selfTest(file, vectors) {
  const missed = [];
  let n = 0;
  for (const v of vectors.good) {
    for (const x of altered(file, v)) {
      n++;
      if (problem(file, x, true) === undefined) missed.push(`${v.name}: altered, and not noticed`);
    }
    n++;
    if (problem(file, { ...v, class: "malformed", check: "run.form" }, false) === undefined) missed.push(`${v.name}: passes for a bad one`);
  }
  for (const v of vectors.bad) {
    n += 2;
    if (problem(file, v, true) === undefined) missed.push(`${v.name}: passes for a good one`);
    if (problem(file, { ...v, check: "another." + v.check }, false) === undefined) missed.push(`${v.name}: passes for another check`);
  }
  return { n, missed };
}

// ---- Main

const args = process.argv.slice(2), testing = args.includes("--self-test");
const here = dirname(fileURLToPath(import.meta.url));
const named = args.filter((a) => !a.startsWith("--"));
let failed = 0;
for (const path of named.length > 0 ? named : Object.keys(checkers).map((f) => join(here, f))) {
  const file = basename(path), vectors = JSON.parse(readFileSync(path, "utf8"));
  if (!(file in checkers) || !(vectors.good?.length > 0) || !(vectors.bad?.length > 0)) throw new Error(`${path}: no vectors that are known here`);
  const problems = [];
  for (const v of vectors.good) problems.push([v, problem(file, v, true)]);
  for (const v of vectors.bad) problems.push([v, problem(file, v, false)]);
  for (const [v, p] of problems.filter(([, p]) => p !== undefined)) {
    failed++;
    console.error(`${file}: ${v.name}: ${p}`);
  }
  console.log(`${file}: ${vectors.good.length} good, ${vectors.bad.length} bad`);
  if (testing) {
    const { n, missed } = selfTest(file, vectors);
    for (const m of missed) console.error(`${file}: self-test: ${m}`);
    failed += missed.length;
    console.log(`${file}: self-test: ${n} altered`);
  }
}
process.exitCode = failed > 0 ? 1 : 0;
