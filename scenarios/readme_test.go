package scenarios

import (
	"os"
	"regexp"
	"testing"
)

// What the README shows is good as it is pasted. A block that says it is a fragment is good at the end of the first
// that is none.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	whole := ""
	blocks := regexp.MustCompile("(?ms)^```hcl( fragment)?\n(.*?)^```$").FindAllStringSubmatch(string(text), -1)
	for _, block := range blocks {
		src := block[2]
		switch {
		case block[1] != "":
			src = whole + src
		case whole == "":
			whole = src
		}
		if plan, diags := Load(t.Context(), "README.md", []byte(src), Options{Images: []string{"tiny"}}); plan == nil {
			t.Errorf("%v\n%s", diags, src)
		}
	}
	if marks := regexp.MustCompile("(?m)^ *```+ *hcl").FindAllString(string(text), -1); whole == "" || len(marks) != len(blocks) {
		t.Errorf("%d blocks are checked, and %d are there", len(blocks), len(marks))
	}
}
