package clip

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	sixty := strings.Repeat("x", 60)
	for s, want := range map[string]string{
		"":               "",
		sixty:            sixty,
		sixty + "y":      sixty + "…",
		sixty[1:] + "é":  sixty[1:] + "…", // not half of it
		sixty[2:] + "é":  sixty[2:] + "é",
		sixty[2:] + "éy": sixty[2:] + "é…",
	} {
		if got := Text(s); got != want {
			t.Errorf("%q becomes %q, want %q", s, got, want)
		}
	}
}
