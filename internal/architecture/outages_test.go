package architecture

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
)

// TestOutagesAreTold: OUTAGES.md names each fault that stands for an outage, and that outage's day.
func TestOutagesAreTold(t *testing.T) {
	told, err := os.ReadFile("../../OUTAGES.md")
	if err != nil {
		t.Fatal(err)
	}
	day := regexp.MustCompile(`\d+ [A-Z][a-z]+ \d{4}`)
	for _, f := range content.Faults() {
		if f.Outage != "" && !(strings.Contains(string(told), "`"+f.Name+"`") && strings.Contains(string(told), day.FindString(f.Outage))) {
			t.Errorf("%s, %s: not in OUTAGES.md", f.Name, f.Outage)
		}
	}
}
