package keys_test

import (
	"bytes"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
)

// pkix is a SubjectPublicKeyInfo for tests to damage.
type pkix struct {
	Algorithm struct {
		OID        asn1.ObjectIdentifier
		Parameters asn1.RawValue `asn1:"optional"`
	}
	Key asn1.BitString
}

func TestParsePublicFile(t *testing.T) {
	const converted = ", converted by ada@example from OpenSSH"
	ed, rsa := recorded(t, "ed25519"), recorded(t, "rsa2048")
	for name, tt := range map[string]struct {
		file    []byte
		want    keys.PublicKey
		comment string
	}{
		".pub":                    {readFile(t, shared, "ed25519.pub"), ed, "ed25519 throw-away-test-key"},
		"options":                 {[]byte(`restrict,command="echo \"x\"" ` + ed.AuthorizedKey("ada")), ed, "ada"},
		"allowed_signers":         {[]byte("# fleet\nada@example,bob " + ed.AuthorizedKey("of both") + "\n"), ed, "of both"},
		"quoted principals":       {[]byte(`"ada b" ` + ed.AuthorizedKey("")), ed, ""},
		"RFC 4716, ed25519":       {readFile(t, shared, "ed25519_rfc4716"), ed, "256-bit ED25519" + converted},
		"RFC 4716, RSA":           {readFile(t, shared, "rsa2048_rfc4716"), rsa, "2048-bit RSA" + converted},
		"RFC 4716, CR LF":         {bytes.ReplaceAll(readFile(t, shared, "rsa2048_rfc4716"), []byte("\n"), []byte("\r\n")), rsa, "2048-bit RSA" + converted},
		"RFC 4716, no comment":    {ed.MarshalRFC4716(""), ed, ""},
		"RFC 4716, other headers": {[]byte(strings.Replace(string(ed.MarshalRFC4716("ada")), "\n", "\nSubject: ada\nx-y: a\\\nb: c\n", 1)), ed, "ada"},
		"RFC 4716, continued":     {[]byte(strings.Replace(string(ed.MarshalRFC4716("")), "\n", "\ncomment: \"a\\\n b\"\n", 1)), ed, "a b"},
		"PUBLIC KEY, RSA":         {readFile(t, shared, "rsa2048_public"), rsa, ""},
		"RSA PUBLIC KEY":          {readFile(t, shared, "rsa2048_public_pkcs1"), rsa, ""},
	} {
		k, comment, err := keys.ParsePublicFile(tt.file)
		if err != nil || k != tt.want || comment != tt.comment {
			t.Errorf("%s: = %v, %q, %v; want %q", name, k, comment, err, tt.comment)
		}
	}
	if k, _, err := keys.ParsePublicFile(readFile(t, shared, "ed25519_public")); err != nil || k.Type() != keys.TypeEd25519 {
		t.Errorf("PUBLIC KEY, ed25519: %v, %v", k, err)
	}
}

// TestPublicFileRefuses names what is refused, and what the error must say to help.
// TestByteOrderMark: a file that starts with one is refused as such, in every format.
func TestByteOrderMark(t *testing.T) {
	signer := "ada " + recorded(t, "ed25519").String()
	texts := map[string][]byte{"": nil, "allowed_signers": []byte(signer), "# comment": []byte("# ed25519\n" + signer)}
	for _, name := range []string{"ed25519.pub", "ed25519_public", "ed25519_rfc4716", "ed25519"} {
		texts[name] = readFile(t, shared, name)
	}
	for _, mark := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		for name, text := range texts {
			k, _, err := keys.ParsePublicFile(append([]byte(mark), text...))
			if !errors.Is(err, keys.ErrByteOrderMark) || !errors.Is(err, keys.ErrMalformed) || !k.IsZero() {
				t.Errorf("%x and %q: %v, %v; want ErrByteOrderMark", mark, name, k, err)
			}
		}
		if k, _, err := keys.ParseAuthorizedKey(append([]byte(mark), texts["ed25519.pub"]...)); !errors.Is(err, keys.ErrByteOrderMark) {
			t.Errorf("%x: ParseAuthorizedKey = %v, %v; want ErrByteOrderMark", mark, k, err)
		}
		if l, err := keys.ParseSignerLine(mark + signer); !errors.Is(err, keys.ErrByteOrderMark) {
			t.Errorf("%x: ParseSignerLine = %v, %v; want ErrByteOrderMark", mark, l, err)
		}
	}
}

func TestPublicFileRefuses(t *testing.T) {
	ed, rsa := recorded(t, "ed25519"), recorded(t, "rsa2048")
	pemOf := func(kind string, der []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	}
	pkcs1 := func(n, e *big.Int) []byte {
		der, err := asn1.Marshal(struct{ N, E *big.Int }{n, e})
		if err != nil {
			t.Fatal(err)
		}
		return pemOf("RSA PUBLIC KEY", der)
	}
	edited := func(name string, change func(p *pkix)) []byte {
		block, _ := pem.Decode(readFile(t, shared, name))
		var p pkix
		if _, err := asn1.Unmarshal(block.Bytes, &p); err != nil {
			t.Fatal(err)
		}
		change(&p)
		der, err := asn1.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		return pemOf("PUBLIC KEY", der)
	}
	// longForm has the outer length in one byte more than DER allows.
	longForm := func(name string) []byte {
		block, _ := pem.Decode(readFile(t, shared, name))
		return pemOf(block.Type, append([]byte{0x30, 0x81}, block.Bytes[1:]...))
	}
	secret := secretRSA(t, "rsa2048")
	e := big.NewInt(65537)
	n := func(change func(n *big.Int) *big.Int) *big.Int { return change(new(big.Int).Set(secret.N)) }
	shift := func(by int) *big.Int {
		return n(func(n *big.Int) *big.Int { return n.Lsh(n, uint(by)).Add(n, big.NewInt(1)) })
	}
	padded := append([]byte{0x02, 0x82, 0x01, 0x02, 0, 0}, secret.N.Bytes()...)
	paddedKey := append(append([]byte{0x30, 0x82, 0x01, 0x0b}, padded...), 2, 3, 1, 0, 1)
	threeDER, err := asn1.Marshal(struct{ N, E, X *big.Int }{secret.N, e, e})
	if err != nil {
		t.Fatal(err)
	}
	three := pemOf("RSA PUBLIC KEY", threeDER)
	rfc := string(ed.MarshalRFC4716("ada"))
	for name, tt := range map[string]struct {
		file []byte
		want error
		says string
	}{
		"empty":                         {nil, keys.ErrMalformed, "no key"},
		"too large":                     {bytes.Repeat([]byte("#"), keys.MaxFileSize+1), keys.ErrMalformed, "larger"},
		"two lines":                     {[]byte(ed.String() + "\n" + rsa.String() + "\n"), keys.ErrMalformed, "more than one"},
		"two PEM blocks":                {bytes.Repeat(readFile(t, shared, "rsa2048_public"), 2), keys.ErrMalformed, "not exactly one"},
		"two RFC 4716 blocks":           {[]byte(rfc + rfc), keys.ErrMalformed, "stands after"},
		"text behind PEM":               {append(readFile(t, shared, "rsa2048_public"), "x"...), keys.ErrMalformed, "stands after"},
		"text before PEM":               {append([]byte("mine\n"), readFile(t, shared, "rsa2048_public")...), keys.ErrMalformed, "stands before"},
		"text behind RFC 4716":          {[]byte(rfc + "x"), keys.ErrMalformed, "stands after"},
		"RFC 4716 cut short":            {[]byte(rfc[:len(rfc)-40]), keys.ErrMalformed, "cut short"},
		"RFC 4716, no base64":           {[]byte(strings.Replace(rfc, "AAAA", "AA!A", 1)), keys.ErrMalformed, "base64"},
		"RFC 4716, CR only":             {[]byte(strings.ReplaceAll(rfc, "\n", "\r")), keys.ErrMalformed, "broken"},
		"PEM with headers":              {bytes.Replace(readFile(t, shared, "rsa2048_public"), []byte("-----\n"), []byte("-----\nA: b\n\n"), 1), keys.ErrMalformed, "headers"},
		"OpenSSH private":               {readFile(t, shared, "ed25519"), keys.ErrMalformed, "private key"},
		"PKCS #8 private":               {readFile(t, shared, "ed25519_pkcs8"), keys.ErrMalformed, "private key"},
		"encrypted private":             {readFile(t, shared, "rsa2048_pkcs8enc"), keys.ErrMalformed, "private key"},
		"another PEM block":             {pemOf("PGP PUBLIC KEY BLOCK", nil), keys.ErrMalformed, "PGP"},
		"allowed_signers, CA":           {[]byte("*@example cert-authority " + ed.String()), keys.ErrNotAdmitted, "signs certificates"},
		"allowed_signers, valid-before": {[]byte(`ada valid-before="2020" ` + ed.String()), keys.ErrNotAdmitted, "valid-before"},
		"authorized_keys, CA":           {[]byte("cert-authority,no-pty " + ed.String()), keys.ErrNotAdmitted, "cert-authority"},
		"an option that is none":        {[]byte(`froom="x" ` + ed.String()), keys.ErrMalformed, "froom"},
		"ECDSA":                         {readFile(t, shared, "ecdsa.pub"), keys.ErrNotAdmitted, "ssh-keygen -t ed25519"},
		"ECDSA, allowed_signers":        {append([]byte("ada "), readFile(t, shared, "ecdsa.pub")...), keys.ErrNotAdmitted, "ECDSA"},
		"ECDSA, RFC 4716":               {readFile(t, shared, "ecdsa_rfc4716"), keys.ErrNotAdmitted, "ECDSA"},
		"ECDSA, PEM":                    {readFile(t, shared, "ecdsa_public"), keys.ErrNotAdmitted, "ECDSA"},
		"DSA":                           {readFile(t, shared, "dsa.pub"), keys.ErrNotAdmitted, "ssh-keygen -t ed25519"},
		"DSA, PEM":                      {readFile(t, shared, "dsa_public"), keys.ErrNotAdmitted, "DSA"},
		"Ed448":                         {readFile(t, shared, "ed448_public"), keys.ErrNotAdmitted, "Ed448"},
		"RSA-PSS":                       {readFile(t, shared, "rsapss_public"), keys.ErrNotAdmitted, "PSS"},
		"certificate":                   {readFile(t, shared, "ed25519_cert.pub"), keys.ErrNotAdmitted, "without -cert"},
		"X.509 certificate":             {readFile(t, shared, "ed25519_x509"), keys.ErrNotAdmitted, "openssl x509"},
		"sk- ed25519":                   {skLine("sk-ssh-ed25519@openssh.com"), keys.ErrNotAdmitted, "security key"},
		"sk- ECDSA":                     {skLine("sk-ecdsa-sha2-nistp256@openssh.com"), keys.ErrNotAdmitted, "security key"},
		"RSA-1024, PEM":                 {readFile(t, shared, "rsa1024_public"), keys.ErrNotAdmitted, "1024"},
		"RSA-2047":                      {pkcs1(n(func(n *big.Int) *big.Int { return n.Rsh(n, 1).SetBit(n, 0, 1) }), e), keys.ErrNotAdmitted, "2047"},
		"RSA-4097":                      {pkcs1(shift(2049), e), keys.ErrNotAdmitted, "4097"},
		"RSA-65536":                     {pkcs1(shift(65536-2048), e), keys.ErrNotAdmitted, "65536"},
		"even modulus":                  {pkcs1(n(func(n *big.Int) *big.Int { return n.SetBit(n, 0, 0) }), e), keys.ErrMalformed, "even"},
		"negative modulus":              {pkcs1(n(func(n *big.Int) *big.Int { return n.Neg(n) }), e), keys.ErrMalformed, "positive"},
		"modulus 0":                     {pkcs1(new(big.Int), e), keys.ErrMalformed, "positive"},
		"padded modulus":                {pemOf("RSA PUBLIC KEY", paddedKey), keys.ErrMalformed, "minimal"},
		"exponent 0":                    {pkcs1(secret.N, new(big.Int)), keys.ErrMalformed, "positive"},
		"exponent 1":                    {pkcs1(secret.N, big.NewInt(1)), keys.ErrNotAdmitted, "exponent"},
		"exponent 2":                    {pkcs1(secret.N, big.NewInt(2)), keys.ErrNotAdmitted, "exponent"},
		"even exponent":                 {pkcs1(secret.N, big.NewInt(65536)), keys.ErrNotAdmitted, "exponent"},
		"negative exponent":             {pkcs1(secret.N, big.NewInt(-65537)), keys.ErrMalformed, "positive"},
		"huge exponent":                 {pkcs1(secret.N, new(big.Int).SetBit(e, 200, 1)), keys.ErrNotAdmitted, "exponent"},
		"PKCS #1 with a byte more":      {longer(t, "rsa2048_public_pkcs1"), keys.ErrMalformed, ""},
		"PKCS #1 of three numbers":      {three, keys.ErrMalformed, "nothing after"},
		"PKIX with a byte more":         {longer(t, "rsa2048_public"), keys.ErrMalformed, ""},
		"length not minimal":            {longForm("ed25519_public"), keys.ErrMalformed, ""},
		"RSA without parameters":        {edited("rsa2048_public", func(p *pkix) { p.Algorithm.Parameters = asn1.RawValue{} }), keys.ErrMalformed, ""},
		"ed25519 with parameters":       {edited("ed25519_public", func(p *pkix) { p.Algorithm.Parameters = asn1.NullRawValue }), keys.ErrMalformed, ""},
		"ed25519 of 31 bytes":           {edited("ed25519_public", func(p *pkix) { p.Key.Bytes, p.Key.BitLength = p.Key.Bytes[1:], 31*8 }), keys.ErrMalformed, "32 bytes"},
		"ed25519 with a bit less":       {edited("ed25519_public", func(p *pkix) { p.Key.BitLength-- }), keys.ErrMalformed, ""},
		"ed25519 labelled RSA":          {edited("ed25519_public", func(p *pkix) { p.Algorithm.OID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1} }), keys.ErrMalformed, ""},
		"ed25519 of small order": {edited("ed25519_public", func(p *pkix) {
			clear(p.Key.Bytes)
		}), keys.ErrNotAdmitted, "small order"},
	} {
		t.Run(name, func(t *testing.T) {
			k, comment, err := keys.ParsePublicFile(tt.file)
			if !errors.Is(err, tt.want) || !k.IsZero() || comment != "" {
				t.Fatalf("= %v, %q, %v; want %v", k, comment, err, tt.want)
			}
			if !strings.Contains(err.Error(), tt.says) {
				t.Errorf("the error does not say %q: %v", tt.says, err)
			}
			if strings.Contains(err.Error(), "not admitted") && strings.Contains(err.Error(), "malformed") {
				t.Errorf("two verdicts in one: %v", err)
			}
		})
	}
}

// skLine is the line of a key of an authenticator (PROTOCOL.u2f).
func skLine(kind string) []byte {
	return pubLine(kind, joined([]byte(kind), make([]byte, 32), []byte("ssh:")))
}

func longer(t *testing.T, name string) []byte {
	t.Helper()
	block, _ := pem.Decode(readFile(t, shared, name))
	block.Bytes = append(block.Bytes, 0)
	return pem.EncodeToMemory(block)
}

// TestWrittenPublicFiles holds what is written against the recorded files of
// ssh-keygen and openssl.
func TestWrittenPublicFiles(t *testing.T) {
	ed, rsa := recorded(t, "ed25519"), recorded(t, "rsa2048")
	if got := rsa.MarshalPEM(); !bytes.Equal(got, readFile(t, shared, "rsa2048_public")) {
		t.Errorf("RSA:\n%s", got)
	}
	other, _, err := keys.ParsePublicFile(readFile(t, shared, "ed25519_public"))
	if err != nil || !bytes.Equal(other.MarshalPEM(), readFile(t, shared, "ed25519_public")) {
		t.Errorf("ed25519: %v\n%s", err, other.MarshalPEM())
	}
	for name, k := range map[string]keys.PublicKey{"ed25519_rfc4716": ed, "rsa2048_rfc4716": rsa} {
		file := readFile(t, shared, name)
		_, comment, err := keys.ParsePublicFile(file)
		if got := k.MarshalRFC4716(comment); err != nil || !bytes.Equal(got, file) {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
	for _, comment := range []string{"", `say "hi"`, `back\`, "a: b", "x END y END  END z", strings.Repeat("ä", 80), "two\nlines", `"`} {
		k, _, err := keys.ParsePublicFile(ed.MarshalRFC4716(comment))
		if err != nil || k != ed {
			t.Errorf("comment %q: reads back as %v, %v", comment, k, err)
		}
	}
	var zero keys.PublicKey
	if zero.MarshalPEM() != nil || zero.MarshalRFC4716("x") != nil {
		t.Error("the zero key is written")
	}
}
