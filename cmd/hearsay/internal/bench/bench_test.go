package bench

import "testing"

func TestRun(t *testing.T) {
	names := map[string]bool{}
	err := run(t.Context(), 50, func(r Result) {
		t.Logf("%-18s %12.0f/s %8.2f", r.Name, r.PerSecond, r.Ratio)
		names[r.Name] = r.PerSecond > 0 && r.Ratio > 0
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"raw-verify", "bulk-1", "bulk-16", "bulk-256", "link-bulk", "live-100-authors", "local-update"} {
		if !names[want] {
			t.Errorf("%s was not measured", want)
		}
	}
}
