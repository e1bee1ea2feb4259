package poll

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestPage: the page shows this code, all of poll.go and none that is not compiled.
func TestPage(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	sources := read("poll.go") + read("poll_test.go") + read("example_test.go")
	var shown strings.Builder
	for _, block := range regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(read("../your-own-model.md"), -1) {
		if !strings.Contains(sources, block[1]) {
			t.Errorf("the page shows what is not in the code:\n%s", block[1])
		}
		shown.WriteString(block[1] + "\n")
	}
	for part := range strings.SplitSeq(read("poll.go"), "\n\n") {
		if !strings.Contains(shown.String(), strings.TrimSpace(part)) {
			t.Errorf("the page lacks:\n%s", part)
		}
	}
}
