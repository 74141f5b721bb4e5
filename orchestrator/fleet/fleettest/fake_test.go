package fleettest_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/fleet/fleettest"
)

// suiteOf is what the suite is told of fakes with these options; changed, if not nil, puts another fleet in the place
// of each.
func suiteOf(opts fleettest.FakeOptions, changed func(*fleettest.Fake) fleet.Fleet) fleettest.Backend {
	opts.Deadly = []uint64{2}
	return fleettest.Backend{
		New: func(t *testing.T, specs []fleet.HostSpec) fleet.Fleet {
			f := fleettest.NewFake(specs, opts)
			if changed != nil {
				return changed(f)
			}
			return f
		},
		Content:  func(t *testing.T, version uint64, deadly bool) []byte { return nil },
		Shipped:  1,
		Patience: time.Minute,
	}
}

// names are those of the tests that were not run.
func names(left []fleettest.Unclaimed) []string {
	var all []string
	for _, u := range left {
		all = append(all, u.Test)
	}
	return all
}

var neverClaimed = []string{"oops kill", "crash dump", "nodes"}

func TestFakeConforms(t *testing.T) {
	if got := names(fleettest.Conform(t, suiteOf(fleettest.FakeOptions{}, nil))); !slices.Equal(got, neverClaimed) {
		t.Errorf("not tested: %q, want %q", got, neverClaimed)
	}
}

// TestWhatIsNotClaimedIsNotTested: a backend that cannot repair conforms, and it is said what was not tested.
func TestWhatIsNotClaimedIsNotTested(t *testing.T) {
	order := fleet.CanOrder(fleet.RemoveContent)
	left := fleettest.Conform(t, suiteOf(fleettest.FakeOptions{Lacks: []fleet.Capability{order}}, nil))
	if len(left) == 0 || left[0].String() != "repair (needs order remove_content)" {
		t.Errorf("not tested: %v, want first the repair", left)
	}
	if got := names(left[1:]); !slices.Equal(got, neverClaimed) {
		t.Errorf("besides: %q, want %q", got, neverClaimed)
	}
}

// claiming claims more than the fake has, or less.
type claiming struct {
	*fleettest.Fake
	more, less fleet.Capability
	crowd      time.Duration // by which all is late: a millisecond for each fleet that was made before
}

// Next implements fleet.Fleet.
func (c claiming) Next(ctx context.Context) (fleet.Event, error) {
	e, err := c.Fake.Next(ctx)
	e.At += c.crowd
	return e, err
}

func (c claiming) Caps() fleet.Caps {
	caps := c.Fake.Caps()
	caps.Has = append(slices.Clone(caps.Has), c.more)
	caps.Has = slices.DeleteFunc(caps.Has, func(has fleet.Capability) bool { return has == c.less || has == "" })
	return caps
}

// falseClaims are what the suite has to find, and the test of it that finds it.
var falseClaims = []struct {
	lacks, more, less fleet.Capability
	found             string
	crowd             time.Duration
}{
	{lacks: "order remove_content", more: "order remove_content", found: "--- FAIL: TestFalseClaim/repair"},
	{lacks: "action power_off", more: "action power_off", found: "--- FAIL: TestFalseClaim/power_off"},
	{more: "oops kill", found: "--- FAIL: TestFalseClaim/oops_kill"},
	{more: "several nodes", found: "--- FAIL: TestFalseClaim/nodes"},
	{more: "crash dump", found: "--- FAIL: TestFalseClaim/crash_dump"},
	{more: "action teleport", found: `has no test for: ["action teleport"]`},
	{less: "action reset", found: "--- FAIL: TestFalseClaim/unclaimed"},
	{crowd: time.Millisecond, found: "--- FAIL: TestFalseClaim/side_by_side"},
	{less: "clock virtual", found: "--- FAIL: TestFalseClaim/caps"},
}

const falseClaim = "FLEETFALL_TEST_FALSE_CLAIM" // in the environment: which of them TestFalseClaim makes

// TestFalseClaim fails, where TestFalseClaimsAreFound asks it to.
func TestFalseClaim(t *testing.T) {
	for i, c := range falseClaims {
		if os.Getenv(falseClaim) != fmt.Sprint(i) {
			continue
		}
		late := time.Duration(0)
		b := suiteOf(fleettest.FakeOptions{Lacks: []fleet.Capability{c.lacks}}, func(f *fleettest.Fake) fleet.Fleet {
			late += c.crowd
			return claiming{f, c.more, c.less, late}
		})
		b.Patience = time.Second
		fleettest.Conform(t, b)
	}
}

func TestFalseClaimsAreFound(t *testing.T) {
	for i, c := range falseClaims {
		cmd := exec.Command(os.Args[0], "-test.run=^TestFalseClaim$")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", falseClaim, i))
		out, err := cmd.CombinedOutput()
		if err == nil || !strings.Contains(string(out), c.found) {
			t.Errorf("%+v: %v; want a failure that says %q:\n%s", c, err, c.found, out)
		}
	}
}
