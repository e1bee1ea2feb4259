package keygen_test

import (
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/hearsaynet/hearsay/keygen"
)

const diskFullEnv = "HEARSAY_TEST_DISK_FULL"

// TestDiskFull writes in a process that may make files of 100 bytes only.
func TestDiskFull(t *testing.T) {
	if path := os.Getenv(diskFullEnv); path != "" {
		diskFullChild(t, path)
		return
	}
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDiskFull$")
	cmd.Env = append(os.Environ(), diskFullEnv+"="+filepath.Join(dir, "id"))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if names := list(t, dir); names != "" {
		t.Errorf("files left behind: %s", names)
	}
}

func diskFullChild(t *testing.T, path string) {
	signal.Ignore(syscall.SIGXFSZ)
	k := recorded(t, "ed25519")
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 100, Max: 100}); err != nil {
		t.Fatal(err)
	}
	if err := keygen.WriteFiles(path, k, "", nil); err == nil {
		t.Error("WriteFiles says that it wrote")
	}
}
