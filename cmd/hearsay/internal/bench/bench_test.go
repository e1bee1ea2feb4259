package bench

import (
	"slices"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	results := map[string]Result{}
	err := run(t.Context(), 50, Options{}, func(r Result) {
		t.Logf("%-18s %12.0f/s %8.2f of %s, heap %d B, RSS %d B, %v", r.Name, r.PerSecond, r.Ratio, r.To, r.Memory.Heap, r.Memory.RSS, r.Figures)
		results[r.Name] = r
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		r := results[name]
		if strings.HasPrefix(name, "agent-") && r.Skipped != "" {
			t.Logf("%s: %s", name, r.Skipped)
			continue
		}
		if r.PerSecond <= 0 || r.Ratio <= 0 || r.To == "" || r.What == "" {
			t.Errorf("%s: got %+v, want a rate, and a ratio to something", name, r)
		}
	}
	if n := len(results); n != len(Names()) {
		t.Errorf("got %d results, want one of each of %d", n, len(Names()))
	}
}

// TestFigures checks what can be known of a case beforehand.
func TestFigures(t *testing.T) {
	results := map[string]Result{}
	err := run(t.Context(), 100, Options{Only: []string{"fork-converge", "heads-10k"}}, func(r Result) { results[r.Name] = r })
	if err != nil {
		t.Fatal(err)
	}
	figure := func(name, what string) float64 {
		fs := results[name].Figures
		i := slices.IndexFunc(fs, func(f Figure) bool { return f.Name == what })
		if i < 0 {
			t.Fatalf("%s has no figure %q: %v", name, what, fs)
		}
		return fs[i].Value
	}
	if cut, rebuilt := figure("fork-converge", "all cut after"), figure("fork-converge", "all rebuilt after"); cut <= 0 || rebuilt < cut {
		t.Errorf("fork-converge: all cut after %v s and rebuilt after %v s", cut, rebuilt)
	}
	if n := figure("fork-converge", "updates between the branches"); n < 1 {
		t.Errorf("fork-converge: %v updates crossed the link, and a proof came of it", n)
	}
	const head = 7 + 34 + 8 + 32 + 8 + 2 // frame header, author, seq, hash, issued, length of the signature
	if in := figure("heads-10k", "in, on the link that brings them"); in*30 < 100*head {
		t.Errorf("heads-10k: %v bytes a second came in, too few for 100 heads in 30 s", in)
	}
}

// TestFloodMemory: what floods leave of a rate is measured, and what they take of memory is
// bounded.
func TestFloodMemory(t *testing.T) {
	const most = 64 << 20
	err := run(t.Context(), 25, Options{Only: []string{"live-mallory", "live-mallory-asks"}}, func(r Result) {
		if r.Memory.Heap > most {
			t.Errorf("%s: %d bytes of heap, want at most %d", r.Name, r.Memory.Heap, most)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSkipped is a machine without ssh-agent.
func TestSkipped(t *testing.T) {
	t.Setenv("PATH", "")
	var results []Result
	if err := run(t.Context(), 100, Options{Only: []string{"agent-ed25519"}}, func(r Result) { results = append(results, r) }); err != nil {
		t.Fatal(err)
	}
	if n := len(results); n != 2 || !strings.Contains(results[1].Skipped, "ssh-agent") {
		t.Errorf("got %+v, want a result that says what is missing", results)
	}
}

func TestOnly(t *testing.T) {
	var names []string
	if err := run(t.Context(), 100, Options{Only: []string{"bulk-256"}}, func(r Result) { names = append(names, r.Name) }); err != nil {
		t.Fatal(err)
	}
	if want := []string{"raw-verify", "bulk-256"}; !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	for _, name := range Names() {
		if err := CheckName(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if CheckName("bulk") == nil {
		t.Error("there is no case bulk")
	}
}
