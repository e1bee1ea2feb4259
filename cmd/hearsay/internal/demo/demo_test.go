package demo_test

import (
	"strings"
	"testing"

	"github.com/hearsaynet/hearsay/cmd/hearsay/internal/demo"
)

func TestRun(t *testing.T) {
	var out strings.Builder
	if err := demo.Run(t.Context(), &out); err != nil {
		t.Fatalf("%v, after:\n%s", err, &out)
	}
	for _, want := range []string{"refuses", "gap", "Both hold the same"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not say %q:\n%s", want, &out)
		}
	}
}
