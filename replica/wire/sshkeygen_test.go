package wire_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/replica/wire"
)

type signed struct{ header, sig []byte }

// lastSigned returns the last header of each chain and what signs it.
func lastSigned(chains [2]wire.ProofChain) (one, two signed) {
	last := func(c wire.ProofChain) signed {
		headers := c.Headers()
		return signed{headers[len(headers)-1], c.Signature()}
	}
	return last(chains[0]), last(chains[1])
}

// TestSSHKeygen asks stock OpenSSH about our signatures.
func TestSSHKeygen(t *testing.T) {
	program, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("ssh-keygen is not installed")
	}
	s := newSigner(t, 0)
	_, run := vectorRuns(t, s)
	header := run.Headers()[run.Len()-1]
	statement := wire.HeadMessage(topic, run.End(), 9)
	one, two := lastSigned(vectorProof(t, s).Chains())

	dir := t.TempDir()
	allowed := filepath.Join(dir, "allowed")
	if err := os.WriteFile(allowed, []byte("author "+s.key.AuthorizedKey("")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name      string
		message   []byte
		sig       []byte
		namespace string
		good      bool
	}{
		{"update", header, run.Signature(), "hearsay-update", true},
		{"head", statement, s.sign("hearsay-head", statement), "hearsay-head", true},
		{"first chain of a proof", one.header, one.sig, "hearsay-update", true},
		{"second chain of a proof", two.header, two.sig, "hearsay-update", true},
		{"signature of the other chain", one.header, two.sig, "hearsay-update", false},
		{"other header", vector(t, "header"), run.Signature(), "hearsay-update", false},
		{"other namespace", header, s.sign("hearsay-head", header), "hearsay-update", false},
	} {
		file := filepath.Join(dir, "sig")
		if err := os.WriteFile(file, keys.ArmorSignature(s.key, tt.namespace, tt.sig), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), program, "-Y", "verify", "-f", allowed, "-I", "author", "-n", tt.namespace, "-s", file)
		cmd.Stdin = bytes.NewReader(tt.message)
		if out, err := cmd.CombinedOutput(); (err == nil) != tt.good {
			t.Errorf("%s: %v: %s", tt.name, err, out)
		}
	}
}
