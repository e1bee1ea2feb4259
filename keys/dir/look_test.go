package dir

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
)

// TestScanReadsOnlyWhatMayHaveChanged changes a file and gives it its old time
// back: nothing but the age of that time tells whether it must be read again.
func TestScanReadsOnlyWhatMayHaveChanged(t *testing.T) {
	for _, tt := range []struct {
		name  string
		age   time.Duration
		reads bool
	}{
		{"old", time.Hour, false},
		{"just written", 0, true},
		{"dated in the future", -time.Hour, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "x.pub")
			stamp := time.Now().Add(-tt.age).Truncate(time.Second)
			put := func(text string) {
				t.Helper()
				if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				if err := os.Chtimes(path, stamp, stamp); err != nil {
					t.Fatal(err)
				}
			}
			look := func(before map[string]file) map[string]file {
				t.Helper()
				files, err := scan(dir, before)
				if err != nil || len(files["x.pub"].problems) != 1 {
					t.Fatalf("scan = %v, %v; want one broken file", files, err)
				}
				return files
			}
			put("")
			first := look(nil)
			second := look(first)
			if reads := !second["x.pub"].Read.Equal(first["x.pub"].Read); reads != tt.reads {
				t.Errorf("read again: %t, want %t", reads, tt.reads)
			}
			put("larger")
			if third := look(second); third["x.pub"].Read.Equal(second["x.pub"].Read) {
				t.Error("a file of another size is not read again")
			}
		})
	}
}

// TestScanOfAFileFromTheFuture: it settles as well, by how long it has been like that.
func TestScanOfAFileFromTheFuture(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // whose clock stands before all files'
		path := t.TempDir()
		if err := os.WriteFile(filepath.Join(path, "x.pub"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		var before map[string]file
		for i, reads := range []bool{true, true, true, true, false, false} {
			files, err := scan(path, before)
			if err != nil {
				t.Fatal(err)
			}
			if got := !files["x.pub"].Read.Equal(before["x.pub"].Read); got != reads {
				t.Errorf("after %d s: read %t, want %t", i, got, reads)
			}
			before = files
			time.Sleep(time.Second)
		}
	})
}

// BenchmarkLook is one look at files that have not changed.
func BenchmarkLook(b *testing.B) {
	const n = 1000
	path, old := b.TempDir(), time.Now().Add(-time.Hour)
	for i := range n {
		name := filepath.Join(path, fmt.Sprintf("%d.pub", i))
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			b.Fatal(err)
		}
		if err := os.Chtimes(name, old, old); err != nil {
			b.Fatal(err)
		}
	}
	d := &Dir{path: path}
	for b.Loop() {
		var err error
		if d.files, err = scan(d.path, d.files); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/file")
}
