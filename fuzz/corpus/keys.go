package main

import (
	"bytes"
	"encoding/binary"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/bundle"
	"github.com/hearsaynet/hearsay/keys/roster"
)

// joined is SSH strings one behind the other (RFC 4251, section 5).
func joined(fields ...[]byte) (b []byte) {
	for _, f := range fields {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(f))), f...)
	}
	return b
}

func (c *corpus) publicKeys() {
	a := newAuthor(0).Public()
	for _, decoder := range []string{"public-key", "key"} {
		c.strict(decoder, "ed25519", a.Wire())
		c.bad(decoder, "small-order", joined([]byte("ssh-ed25519"), make([]byte, 32)))
		c.bad(decoder, "not-on-the-curve", joined([]byte("ssh-ed25519"), append([]byte{2}, make([]byte, 31)...)))
		c.bad(decoder, "rsa-labelled-ed25519", joined([]byte("ssh-ed25519"), []byte{1, 0, 1}, bytes.Repeat([]byte{0x7f}, 256)))
		c.bad(decoder, "rsa-1024", joined([]byte("ssh-rsa"), []byte{1, 0, 1}, bytes.Repeat([]byte{0x7f}, 128)))
		c.bad(decoder, "rsa-padded", joined([]byte("ssh-rsa"), []byte{1, 0, 1}, slices.Concat([]byte{0, 0}, bytes.Repeat([]byte{0x7f}, 256))))
		c.bad(decoder, "rsa-negative", joined([]byte("ssh-rsa"), []byte{1, 0, 1}, bytes.Repeat([]byte{0xff}, 256)))
		c.bad(decoder, "string-of-4-gib", append([]byte{0xff, 0xff, 0xff, 0xff}, a.Wire()...))
		c.good(decoder, "rsa-2048", joined([]byte("ssh-rsa"), []byte{1, 0, 1}, append([]byte{0}, bytes.Repeat([]byte{0xff}, 256)...)))
	}
	id := a.ID()
	c.good("node-id", "base58", []byte(id.String()))
	c.good("node-id", "sha256", []byte(id.Fingerprint()))
	c.bad("node-id", "nothing", nil)
	c.bad("node-id", "cut-short", []byte(id.String()[:45]))
	c.bad("node-id", "padded", []byte(id.Fingerprint()+"="))
	c.bad("node-id", "space", []byte(id.String()+" "))

	line := a.AuthorizedKey("ada")
	c.good("authorized-key", "comment", []byte(line))
	c.good("authorized-key", "options", []byte("# a comment\n\nno-pty,command=\"x \\\" y\" "+line+"\r\n"))
	c.bad("authorized-key", "nothing", nil)
	c.bad("authorized-key", "two-keys", []byte(line+"\n"+line))
	c.bad("authorized-key", "other-type", []byte(strings.Replace(line, "ssh-ed25519", "ssh-rsa", 1)))

	signer := "ada " + a.String()
	c.good("signer-line", "plain", []byte(signer))
	c.bad("signer-line", "quotes-around-a-part", []byte(`"ada b",*@c `+a.String()))
	c.good("signer-line", "options", []byte(`"ada b,*@c" cert-authority,namespaces="x\"y",valid-after="20260101Z" `+a.String()))
	c.bad("signer-line", "nothing", nil)
	c.bad("signer-line", "no-key", []byte("ada ssh-ed25519"))
	c.bad("signer-line", "open-quote", []byte(`"ada `+a.String()))

	c.good("allowed-signers", "three-lines", []byte("# who may\n"+signer+"\nada@example,*.b,!c namespaces=\"hearsay-*\",valid-after=\"20260101\",valid-before=\"20270101Z\" "+newAuthor(32).Public().String()+"\n"))
	c.good("allowed-signers", "nothing", nil)
	c.bad("allowed-signers", "no-key", []byte(signer+"\nbob\n"))
	c.bad("allowed-signers", "window-backwards", []byte("ada valid-after=\"20270101Z\",valid-before=\"20260101Z\" "+a.String()))
}

func (c *corpus) signatures() {
	a := newAuthor(0)
	sig := a.sign(namespace, message)
	c.strict("signature", "ed25519", sig)
	c.bad("signature", "of-another", newAuthor(32).sign(namespace, message))
	c.bad("signature", "other-namespace", a.sign("git", message))
	c.bad("signature", "sha-1", keys.MarshalSignature("ssh-rsa", make([]byte, 256)))
	c.bad("signature", "63-bytes", keys.MarshalSignature(keys.FormatEd25519, make([]byte, 63)))
	c.bad("signature", "string-of-4-gib", append([]byte{0xff, 0xff, 0xff, 0xff}, sig...))

	armored := keys.ArmorSignature(a.Public(), namespace, sig)
	block, _ := pem.Decode(armored)
	armor := func(b []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: b}) }
	c.good("armored-signature", "ed25519", armored)
	c.bad("armored-signature", "nothing", nil)
	c.bad("armored-signature", "cut-short", armored[:len(armored)/2])
	c.bad("armored-signature", "two-blocks", slices.Concat(armored, armored))
	c.bad("armored-signature", "text-before", append([]byte("x\n"), armored...))
	c.bad("armored-signature", "byte-inside", armor(append(bytes.Clone(block.Bytes), 0)))
	c.bad("armored-signature", "version-2", armor(patched(block.Bytes, 6, 0, 0, 0, 2)))
	c.bad("armored-signature", "sha512", armor(bytes.Replace(block.Bytes, []byte("sha256"), []byte("sha512"), 1)))
}

// message is what the signatures here stand on, and namespace where.
var (
	message   = []byte("a message\n")
	namespace = "corpus"
)

func (c *corpus) keyLists() {
	admin, entries := newAuthor(9), []roster.Entry{{ID: newAuthor(0).id()}, {ID: newAuthor(32).id()}}
	entries[1].Windows = keys.Windows{{After: at(2026, 1), Before: at(2026, 6)}, {After: at(2026, 7)}}
	list := roster.List{Version: 7, Issued: at(2026, 1), Expires: at(2026, 2), Entries: entries}
	text := must(list.Text())
	c.good("key-list", "two-ids", text)
	c.good("key-list", "none", must((&roster.List{Version: 1, Issued: at(2026, 1), Expires: at(2026, 2)}).Text()))
	c.bad("key-list", "nothing", nil)
	c.bad("key-list", "no-last-newline", text[:len(text)-1])
	c.bad("key-list", "count", bytes.Replace(text, []byte("ids 2"), []byte("ids 3"), 1))
	c.bad("key-list", "leading-zero", bytes.Replace(text, []byte("version 7"), []byte("version 07"), 1))
	c.bad("key-list", "2-64", bytes.Replace(text, []byte("version 7"), []byte("version 18446744073709551616"), 1))

	seal := func(a author) []byte {
		return must(roster.Seal(text, a.Public(), a.sign(roster.Namespace, text)))
	}
	signed := seal(admin)
	c.good("signed-key-list", "signed", signed)
	c.bad("signed-key-list", "nothing", nil)
	c.bad("signed-key-list", "unsigned", text)
	c.bad("signed-key-list", "thief", seal(newAuthor(8)))
	c.bad("signed-key-list", "changed", bytes.Replace(signed, []byte("version 7"), []byte("version 8"), 1))
	c.bad("signed-key-list", "byte-after", append(bytes.Clone(signed), 'x'))
	c.bad("signed-key-list", "other-namespace", slices.Concat(text, keys.ArmorSignature(admin.Public(), namespace, admin.sign(namespace, text))))
}

func (c *corpus) keyBundles() {
	b := bundle.Bundle{Name: "fleet", Version: 3, Issued: at(2026, 1), Expires: at(2026, 2), Members: []bundle.Member{
		{Key: newAuthor(0).Public(), Comment: "edge 1", Names: []string{"edge-1"}}, {Key: newAuthor(32).Public()},
	}}
	text := must(b.Text())
	c.good("key-bundle", "two-keys", text)
	c.good("key-bundle", "by-hand", append(bytes.Clone(text), "\n# a comment\n"...))
	c.bad("key-bundle", "nothing", nil)
	c.bad("key-bundle", "version-0", bytes.Replace(text, []byte("version 3"), []byte("version 0"), 1))
	c.bad("key-bundle", "key-twice", slices.Concat(text, text[bytes.LastIndexByte(text[:len(text)-1], '\n')+1:]))
	c.bad("key-bundle", "wildcard", bytes.Replace(text, []byte("edge-1"), []byte("edge-*"), 1))
	c.bad("key-bundle", "authority", bytes.Replace(text, []byte(" namespaces="), []byte(" cert-authority,namespaces="), 1))

	admin := newAuthor(9)
	sig := must(bundle.Seal(text, admin.Public(), admin.sign(bundle.Namespace, text)))
	c.good("signed-key-bundle", "signed", append(bytes.Clone(text), sig...))
	c.bad("signed-key-bundle", "unsigned", text)
	c.bad("signed-key-bundle", "changed", slices.Concat(bytes.Replace(text, []byte("version 3"), []byte("version 4"), 1), sig))
	c.bad("signed-key-bundle", "thief", slices.Concat(text, must(bundle.Seal(text, newAuthor(8).Public(), newAuthor(8).sign(bundle.Namespace, text)))))
}

func at(year int, month time.Month) time.Time {
	return time.Date(year, month, 1, 0, 0, 0, 0, time.UTC)
}

// keyFiles copies recorded key files to the decoders that read such files.
func (c *corpus) keyFiles(dir string) {
	each := func(names []string, f func(name string, b []byte)) {
		for _, name := range names {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				c.fail(err)
				continue
			}
			f(name, b)
		}
	}
	each([]string{"rsa2048_public", "rsa2048_public_pkcs1"}, func(name string, b []byte) { c.good("scuttlebutt-key", name, b) })
	each([]string{"ed25519_public", "rsa2048.pub", "rsa2048"}, func(name string, b []byte) { c.bad("scuttlebutt-key", name, b) })
	each(publicFiles, func(name string, b []byte) {
		c.good("public-file", name, b)
		c.bad("private-key", name, b)
	})
	each(privateFiles, func(name string, b []byte) {
		c.good("private-key", name, b)
		c.bad("private-key", name+"-cut-short", b[:len(b)/2])
		c.bad("public-file", name, b)
	})
	each(otherPublicFiles, func(name string, b []byte) { c.bad("public-file", name, b) })
	each(otherPrivateFiles, func(name string, b []byte) { c.bad("private-key", name, b) })
	each(encryptedFiles, func(name string, b []byte) {
		c.good("encrypted-key", name, inArmor(b))
		c.bad("encrypted-key", name+"-cut-short", inArmor(b)[:100])
	})
	each(otherEncryptedFiles, func(name string, b []byte) { c.bad("encrypted-key", name, inArmor(b)) })
}

func inArmor(b []byte) []byte {
	block, _ := pem.Decode(b)
	return block.Bytes
}

// The key files that are taken, and others. OpenSSH files with a passphrase are left out:
// their rounds are too slow for a fuzzer.
var (
	publicFiles  = []string{"ed25519.pub", "rsa2048.pub", "ed25519_public", "ed25519_rfc4716", "rsa2048_public", "rsa2048_public_pkcs1", "rsa2048_rfc4716"}
	privateFiles = []string{"ed25519", "rsa2048", "rsa2048_pkcs1", "rsa2048_pkcs8", "ed25519_pkcs8"}

	otherPublicFiles  = []string{"dsa.pub", "dsa_public", "ecdsa.pub", "ecdsa_public", "ecdsa_rfc4716", "ed25519_cert.pub", "ed25519_x509", "ed448_public", "rsa1024.pub", "rsa1024_public", "rsa2048_cert.pub", "rsapss_public"}
	otherPrivateFiles = []string{"dsa", "dsa_pem", "dsa_pkcs8", "ecdsa", "ecdsa_pem", "ecdsa_pkcs8", "ed448_pkcs8", "rsa1024", "rsa2048_oldpem", "rsapss_pkcs8", "x25519_pkcs8"}

	// PKCS #8; the corpus is what is in the armor. What is encrypted may be of any kind.
	encryptedFiles      = []string{"rsa2048_pkcs8enc", "ed25519_pkcs8enc_scrypt", "ed25519_pkcs8enc_sha1", "ed25519_pkcs8enc_sha512", "rsa2048_pkcs8enc_des3", "ecdsa_pkcs8enc"}
	otherEncryptedFiles = []string{"ed25519_pkcs8enc_camellia", "ed25519_pkcs8enc_pbes1"}
)
