package scenarios

import (
	"slices"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/internal/daemonuri"
)

func TestNearest(t *testing.T) {
	tests := []struct{ given, want string }{
		{"kernal", "kernel"}, {"Kernel", "kernel"}, {"usr", "user"}, {"hsots", "hosts"}, {"blastradius", "blast_radius"},
		{"safe-mode", "safe_mode"}, {"arch", "architecture"}, {"xyz", ""}, {"", ""}, {"bananas", ""}, {strings.Repeat("kernel", 1000), ""},
	}
	known := []string{"architecture", "blast_radius", "hosts", "kernel", "safe_mode", "user"}
	for _, test := range tests {
		if got := nearest(test.given, known); got != test.want {
			t.Errorf("%q: %q, want %q", shorten(test.given), got, test.want)
		}
	}
}

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "channel-file-291": true, "0": true, strings.Repeat("a", 40): true,
		"": false, "-": false, "-a": false, "A": false, "a_b": false, "a/b": false, "..": false, "ü": false, strings.Repeat("a", 41): false,
	} {
		if got := validName(name); got != want {
			t.Errorf("%q: %t, want %t", name, got, want)
		}
	}
}

// Suggestions, messages and reports rely on lists being in order.
func TestListsAreSorted(t *testing.T) {
	for what, list := range map[string][]string{
		"architectures": architectures, "boots": boots, "URI schemes": daemonuri.Schemes, "strategies": Strategies(), "selector keys": selectorKeys, "metrics": metricNames(),
		"faults": faultNames(), "blocks": language.blockNames(), "mitigations": mitigations,
	} {
		if !slices.IsSorted(list) {
			t.Errorf("%s are not sorted: %v", what, list)
		}
	}
	for _, m := range Metrics() {
		if m.Unit.Meaning() == "" || !strings.HasSuffix(m.Definition, ".") {
			t.Errorf("metric %+v lacks a unit or a sentence", m)
		}
	}
}

func TestMatches(t *testing.T) {
	c := Cell{Fleet: Fleet{Name: "f", Architecture: "a"}, Update: Update{Name: "u"}, Rollout: "o", Recovery: Recovery{Name: "r"}}
	full := map[string]string{"fleet": "f", "architecture": "a", "update": "u", "rollout": "o", "recovery": "r"}
	if !(Expect{}).Matches(c) || !(Expect{Where: full}).Matches(c) {
		t.Error("a selector with no wrong term does not match")
	}
	for key := range full {
		if (Expect{Where: map[string]string{key: "x"}}).Matches(c) {
			t.Errorf("another %s matches", key)
		}
	}
}
