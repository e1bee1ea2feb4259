package allowed_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hearsaynet/hearsay/keys"
	"github.com/hearsaynet/hearsay/keys/allowed"
	"github.com/hearsaynet/hearsay/keys/internal/keytest"
)

// TestSSHKeygenAgrees asks ssh-keygen about the same files: for each line and signed
// time it must say of a signature what this package says of an update.
func TestSSHKeygenAgrees(t *testing.T) {
	sshKeygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		t.Skip("ssh-keygen is not installed: its judgement of allowed_signers files is not compared")
	}
	dir := t.TempDir()
	private, err := os.ReadFile(keytest.Path("ed25519"))
	if err != nil {
		t.Fatal(err)
	}
	keytest.Put(t, filepath.Join(dir, "key"), string(private))
	keytest.Put(t, filepath.Join(dir, "message"), "an update")
	if out, err := exec.Command(sshKeygen, "-q", "-Y", "sign", "-n", allowed.Namespace, "-f", filepath.Join(dir, "key"), filepath.Join(dir, "message")).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen -Y sign: %v\n%s", err, out)
	}
	zone, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Skip("no time zones here")
	}
	oldLocal := time.Local
	time.Local = zone
	t.Cleanup(func() { time.Local = oldLocal })

	k, other := keytest.Recorded(t, "ed25519"), keytest.Recorded(t, "ed25519_passphrase")
	at := func(s string) time.Time {
		v, err := time.Parse("20060102150405", s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	summer, winter := at("20260701120000"), at("20260115120000")
	agreed := 0
	for _, tt := range []struct {
		name, text string
		times      []time.Time
	}{
		{"plain", "ada " + k.String(), []time.Time{summer}},
		{"another key", "ada " + other.String(), []time.Time{summer}},
		{"another principal", "bob " + k.String(), []time.Time{summer}},
		{"patterns", "*d?,!bob " + k.String(), []time.Time{summer}},
		{"negated", "*,!ada " + k.String(), []time.Time{summer}},
		{"quoted principals", `"bob,ada" ` + k.String(), []time.Time{summer}},
		{"namespaces", `ada namespaces="git,hearsay-*" ` + k.String(), []time.Time{summer}},
		{"other namespaces", `ada namespaces="git,hearsay-head" ` + k.String(), []time.Time{summer}},
		{"negated namespace", `ada namespaces="*,!hearsay-*" ` + k.String(), []time.Time{summer}},
		{"cert-authority", "ada cert-authority " + k.String(), []time.Time{summer}},
		{"second line", "ada " + other.String() + "\n# x\n\nada " + k.String(), []time.Time{summer}},
		{"after, UTC", `ada valid-after="20260701120000Z" ` + k.String(), []time.Time{summer.Add(-time.Second), summer, summer.Add(time.Second)}},
		{"before, UTC", `ada valid-before="20260701120000Z" ` + k.String(), []time.Time{summer.Add(-time.Second), summer, summer.Add(time.Second)}},
		{"local in summer", `ada valid-before="20260701130000" ` + k.String(), []time.Time{summer.Add(-time.Hour), summer, summer.Add(time.Second), summer.Add(time.Hour)}},
		{"local in winter", `ada valid-before="20260115130000" ` + k.String(), []time.Time{winter.Add(-time.Second), winter, winter.Add(time.Second)}},
		{"a local day", `ada valid-after="20260701" ` + k.String(), []time.Time{at("20260630215959"), at("20260630220000"), at("20260630225959"), at("20260630230000")}},
		{"two windows", `ada valid-before="20260101Z" ` + k.String() + "\n" + `ada valid-after="20260601Z" ` + k.String(), []time.Time{at("20251231235959"), winter, summer}},
	} {
		path := filepath.Join(dir, "signers")
		keytest.Put(t, path, tt.text+"\n")
		f, err := allowed.Open(path, allowed.Options{Principal: "ada"})
		if err != nil {
			t.Fatal(err)
		}
		for _, signed := range tt.times {
			a, err := f.LookupAdmission(t.Context(), k.ID())
			ours := err == nil && a.Windows.Admit(uint64(signed.UnixNano()))
			cmd := exec.Command(sshKeygen, "-Y", "verify", "-f", path, "-I", "ada", "-n", allowed.Namespace,
				"-s", filepath.Join(dir, "message.sig"), "-O", "verify-time="+signed.UTC().Format("20060102150405")+"Z")
			cmd.Env = append(os.Environ(), "TZ=Europe/Berlin")
			cmd.Stdin = strings.NewReader("an update")
			out, err := cmd.CombinedOutput()
			if theirs := err == nil; ours != theirs {
				t.Errorf("%s at %v: we say %t (%v), ssh-keygen says %t:\n%s", tt.name, signed, ours, keys.Windows(a.Windows), theirs, out)
			}
			agreed++
		}
		f.Close()
	}
	if agreed == 0 {
		t.Error("nothing was compared")
	}
}

func BenchmarkParse(b *testing.B) {
	k := keytest.Recorded(b, "ed25519")
	text := []byte(strings.Repeat("ada@example namespaces=\"hearsay-*\",valid-before=\"20300101Z\" "+k.String()+"\n", 10_000))
	for b.Loop() {
		if lines, problems := allowed.Parse(text, time.UTC); len(lines) != 10_000 || len(problems) != 0 {
			b.Fatal(problems)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*10_000), "µs/line")
}
