package scenarios

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/zclconf/go-cty/cty"

	"github.com/fleetfall/fleetfall/agents/architecture"
)

// The names that a scenario may use, each list sorted. A name goes in here when something can run it.
var (
	architectures = architecture.Names()
	boots         = []string{bootClone, bootCold}
	oopses        = []string{oopsKill, oopsPanic}
	clocks        = []string{ClockVirtual, ClockWall}
	selectorKeys  = []string{"architecture", "fleet", "recovery", "rollout", "update"}
	// mitigations is empty: a mitigation that no agent has would be a claim that no run bears out.
	mitigations = []string{}
)

const (
	bootClone = "clone" // first boots are copies of a template, later ones real
	bootCold  = "cold"  // every boot is a real one
	oopsPanic = "panic" // a fault in the kernel stops the machine
	oopsKill  = "kill"  // it kills the task, and the machine goes on
	// harmless is the fault of an update that works.
	harmless = "none"
	// controlFleet is the name of the control arm that a plan gets when the scenario marks none.
	controlFleet = "control"
	// everyone is the rollout of a scenario without one: all hosts at once.
	everyone = "everyone"
)

// nearest is the known name that given is most likely a slip of, or "".
func nearest(given string, known []string) string {
	if len(given) > 2*maxName {
		return ""
	}
	fold := func(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "-") }
	best, least := "", 1+max(1, (len(given)+1)/3)
	for _, k := range known {
		if len(given) >= 3 && strings.HasPrefix(fold(k), fold(given)) {
			return k
		}
	}
	for _, k := range known {
		if d := levenshtein.Distance(fold(given), fold(k), nil); d < least {
			best, least = k, d
		}
	}
	return best
}

// hint says which of the known names may have been meant and lists them all: ` Did you mean "a"? The plural are a and
// b.`
func hint(given, plural string, known []string) string {
	var b strings.Builder
	near := nearest(given, known)
	if near != "" {
		fmt.Fprintf(&b, " Did you mean %q?", near)
	}
	switch {
	case len(known) == 1 && near != "":
	case len(known) == 0:
		fmt.Fprintf(&b, " There are no %s here.", plural)
	case len(known) == 1:
		fmt.Fprintf(&b, " The only choice is %q.", known[0])
	case len(known) <= 40:
		fmt.Fprintf(&b, " The %s are %s.", plural, andList(known))
	}
	return b.String()
}

// Unknown is an error that a name is none of those that are known, with the one that is meant, perhaps, and with all of
// them.
func Unknown(what, given string, known []string) error {
	return fmt.Errorf("unknown %s %q.%s", what, shorten(given), hint(given, what+"s", known))
}

// andList joins names as a sentence does: "a, b and c".
func andList(names []string) string { return joined(names, "and") }

// orList is e.g. "a, b or c".
func orList(names []string) string { return joined(names, "or") }

func joined(names []string, word string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " " + word + " " + names[len(names)-1]
}

// sorted is a sorted copy of names, each once.
func sorted(names []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(names)))
}

// validName tells whether a block may have this name: host names, cell IDs and paths are made from it.
func validName(name string) bool {
	for i, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
		case r == '-' && i > 0:
		default:
			return false
		}
	}
	return len(name) >= 1 && len(name) <= maxName
}

func withArticle(noun string) string {
	if strings.ContainsRune("aeiou", rune(noun[0])) && !strings.HasPrefix(noun, "uni") {
		return "an " + noun
	}
	return "a " + noun
}

// capital is text with its first letter, if ASCII, in upper case.
func capital(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// typeName is what messages call a value's type.
func typeName(t cty.Type) string {
	switch {
	case t == cty.DynamicPseudoType:
		return "null"
	case t == cty.String:
		return "text"
	}
	return withArticle(t.FriendlyName())
}
