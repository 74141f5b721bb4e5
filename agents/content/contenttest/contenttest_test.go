package contenttest

import (
	"reflect"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
)

func TestReferenceAgreesWithTable(t *testing.T) {
	for _, c := range Cases() {
		if got := Evaluate(c.File, c.Template, c.Inputs); !reflect.DeepEqual(got, c.Want) {
			t.Errorf("%s: got %+v, want %+v", c.Name, got, c.Want)
		}
		if _, err := content.Encode(c.File); err != nil {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
}

// Each rule that is shipped has a row in which it matches.
func TestEveryShippedRuleMatches(t *testing.T) {
	matched := map[uint32]bool{}
	for _, c := range Cases() {
		if reflect.DeepEqual(c.File, content.Baseline(1)) {
			for _, m := range c.Want.Matches {
				matched[m.ID] = true
			}
		}
	}
	for _, in := range content.Baseline(1).Instances {
		if !matched[in.ID] {
			t.Errorf("rule %d (%s) matches in no row", in.ID, in.Name)
		}
	}
}

// The random cases are of use only if they are valid, reach every operator, and match as well as not.
func TestRandomCasesAreVaried(t *testing.T) {
	const n = 500
	matching, blocking := 0, 0
	ops := map[content.Op]int{}
	for seed := range uint64(n) {
		c := Random(seed)
		if _, err := content.Encode(c.File); err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		for _, in := range c.File.Instances {
			for _, criterion := range in.Criteria {
				ops[criterion.Op]++
			}
		}
		if len(c.Want.Matches) > 0 {
			matching++
		}
		if c.Want.Block {
			blocking++
		}
	}
	for op := content.Any; op <= content.AllOfOp; op++ {
		least := n
		if (content.Criterion{Op: op}).IsGroup() {
			least = n / 2
		}
		if ops[op] < least {
			t.Errorf("%d criteria with operator %s in %d cases, want at least %d", ops[op], op, n, least)
		}
	}
	if matching < n/4 || matching > n-n/20 || blocking < n/8 || blocking == matching {
		t.Errorf("%d of %d cases match and %d block; want a mixture", matching, n, blocking)
	}
}
