package scenarios

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlansPassTheirCheck: every plan that a scenario was made into, read back. What does not pass is in the tests of
// package results, which reads plans from journals.
func TestPlansPassTheirCheck(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "plans", "*.json"))
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var p Plan
		if err := json.Unmarshal(data, &p); err != nil {
			t.Fatal(err)
		}
		if err := p.Check(); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		p.Deadline = -p.Deadline
		if err := p.Check(); err == nil || !strings.HasPrefix(err.Error(), "deadline is -") {
			t.Errorf("%s with a negative deadline: %v", file, err)
		}
	}
}
