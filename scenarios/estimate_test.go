package scenarios

import (
	"slices"
	"testing"
	"time"
)

func TestEstimate(t *testing.T) {
	const second = Duration(time.Second)
	assume := Assumptions{Boot: 3 * time.Second, Clone: time.Second, BootsAtOnce: 2, HostOverhead: 50 << 20}
	base := Cell{
		ID:    "c",
		Fleet: Fleet{Architecture: "kernel", Hosts: 5, Memory: 100 << 20},
		Update: Update{
			At: 10 * second, Fault: "field_count", RevertAfter: 20 * second, Signed: true,
		},
		Recovery: Recovery{
			Strategy: safeMode, Technicians: 2, HandsOn: Distribution{Kind: fixed, A: 30 * second}, Notice: 4 * second, Restart: second,
		},
	}
	// Three turns of two boots make the fleet ready at 9 s; the update comes 10 s later.
	const start = 19
	tests := []struct {
		name   string
		change func(*Cell)
		want   int // seconds
	}{
		// 2 s to the poll, two restarts and five boots to the second panics, 4 s notice; 30 s of work at five, three and
		// one, each after a boot of all that wait; a boot of the last; 6 s stable
		{"technicians", func(c *Cell) {}, start + 2 + 2 + 9 + 4 + (9 + 30) + (6 + 30) + (3 + 30) + 3 + 6},
		{"one for each", func(c *Cell) { c.Recovery.Technicians = 5 }, start + 2 + 2 + 9 + 4 + (9 + 30) + 9 + 6},
		{"nobody", func(c *Cell) { c.Recovery.Strategy = noStrategy }, start + 300},
		{"user mode", func(c *Cell) { c.Fleet.Architecture = "user" }, start + 2 + 20 + 6},
		{"harmless", func(c *Cell) { c.Update.Fault = harmless }, start + 2 + 20 + 6},
		{"unsigned", func(c *Cell) { c.Update.Signed = false }, start + 2 + 20 + 6},
		{"refused", func(c *Cell) { c.Update.Fault = "truncated" }, start + 2 + 20 + 6},
		{"slow technicians", func(c *Cell) { c.Recovery.HandsOn.A = Duration(maxDuration) }, start + 300},
		{"late revert", func(c *Cell) { c.Update.RevertAfter = 200 * second }, start + 2 + 200 + 6},
	}
	plan := Plan{Repeat: 3, Deadline: 300 * second, StableFor: 6 * second, Tempo: Tempo{Poll: 2 * second}} // half an act a second
	total := 0
	for _, test := range tests {
		c := base
		test.change(&c)
		plan.Cells = []Cell{c}
		e := plan.Estimate(assume)
		if got := time.Duration(e.Cells[0].Duration).Seconds(); got != float64(test.want) {
			t.Errorf("%s: %v s, want %d", test.name, got, test.want)
		}
		if time.Duration(e.Cells[0].Longest).Seconds() != start+300 || e.Duration != 3*e.Cells[0].Duration || e.Longest != 3*e.Cells[0].Longest {
			t.Errorf("%s: %+v", test.name, e)
		}
		if e.Hosts != 5 || e.Memory != 5*150<<20 {
			t.Errorf("%s: %d hosts in %d bytes, want 5 in %d", test.name, e.Hosts, e.Memory, 5*150<<20)
		}
		total += test.want
	}

	plan.Cells = nil
	for _, test := range tests {
		c := base
		test.change(&c)
		plan.Cells = append(plan.Cells, c)
	}
	plan.Cells[2].Fleet.Hosts = 6 // also three turns
	e := plan.Estimate(assume)
	if e.Duration != Duration(3*total)*second || e.Hosts != 6 || e.Memory != 6*150<<20 || len(e.Cells) != len(tests) {
		t.Errorf("all cells: %+v, want %d s with 6 hosts", e, 3*total)
	}
}

// First boots are copies, or real ones, on all machines at once; later ones are real on all of them.
func TestEstimateOfFirstBoots(t *testing.T) {
	assume := Assumptions{Boot: 3 * time.Second, Clone: time.Second, BootsAtOnce: 2}
	for _, test := range []struct {
		boot  string
		nodes int
		want  time.Duration // from power to the injection, and the outage
	}{
		{bootCold, 0, (4*3 + 2 + 4*3 + 4*3 + 4*3) * time.Second},
		{bootClone, 0, (3 + 4*1 + 2 + 4*3 + 4*3 + 4*3) * time.Second},
		{bootClone, 1, (3 + 4*1 + 2 + 4*3 + 4*3 + 4*3) * time.Second},
		{bootCold, 4, (1*3 + 2 + 1*3 + 1*3 + 1*3) * time.Second},
		{bootClone, 4, (3 + 1*1 + 2 + 1*3 + 1*3 + 1*3) * time.Second},
	} {
		plan := Plan{Repeat: 1, Deadline: Duration(time.Hour), Nodes: make([]Node, test.nodes), Cells: []Cell{{
			Fleet:    Fleet{Architecture: "kernel", Hosts: 8, Boot: test.boot},
			Update:   Update{At: Duration(2 * time.Second), Fault: "field_count", Signed: true},
			Recovery: Recovery{Strategy: safeMode, Technicians: 8, HandsOn: Distribution{Kind: fixed}},
		}}}
		e := plan.Estimate(assume)
		if got := time.Duration(e.Duration); got != test.want {
			t.Errorf("boot %s on %d machines: %v, want %v", test.boot, test.nodes, got, test.want)
		}
		if e.Assumptions != assume {
			t.Errorf("boot %s on %d machines: the assumptions became %+v", test.boot, test.nodes, e.Assumptions)
		}
	}
}

// What is taken to leave a kernel agent's host up is claimed, and so measured, by the matrix: that it is refused, or takes no host down.
func TestSparesAreClaimed(t *testing.T) {
	plan, diags := LoadFile(t.Context(), "matrix", Options{})
	if plan == nil {
		t.Fatal(diags)
	}
	for _, fault := range spares {
		claimed := slices.ContainsFunc(plan.Cells, func(c Cell) bool {
			return c.Fleet.Name == "kernel" && c.Update.Fault == fault && slices.ContainsFunc(plan.Expect, func(e Expect) bool {
				return e.Matches(c) && (e.Metric == "content_refused" && e.Min != nil && *e.Min > 0 || e.Metric == "blast_radius" && e.Max != nil && *e.Max == 0)
			})
		})
		if !claimed {
			t.Errorf("%s: the matrix claims neither that a kernel agent refuses it nor that its hosts stay up", fault)
		}
	}
}

func TestEstimateDoesNotOverflow(t *testing.T) {
	year := Duration(maxDuration)
	cell := Cell{Fleet: Fleet{Architecture: "kernel", Hosts: 500}, Update: Update{At: year, Fault: "field_count", Signed: true}}
	plan := Plan{Repeat: maxRepeat, Deadline: year, StableFor: year, Cells: make([]Cell, maxCells)}
	for i := range plan.Cells {
		plan.Cells[i] = cell
	}
	if e := plan.Estimate(EmulatedVMs()); e.Duration <= 0 || e.Longest < e.Duration || e.Cells[0].Duration <= 0 {
		t.Errorf("%v, at most %v", e.Duration, e.Longest)
	}
	if e := (&Plan{}).Estimate(Assumptions{}); e.Duration != 0 || e.Cells == nil {
		t.Errorf("of nothing: %+v", e)
	}
}

// The library's example should be over in minutes: it is what people run first.
func TestEstimateOfChannelFile291(t *testing.T) {
	plan, diags := LoadFile(t.Context(), "channel-file-291", Options{})
	if plan == nil {
		t.Fatal(diags)
	}
	e := plan.Estimate(EmulatedVMs())
	for _, c := range e.Cells {
		if d := time.Duration(c.Duration); d < 20*time.Second || d > 90*time.Second {
			t.Errorf("%s takes %v", c.ID, d)
		}
	}
	if e.Hosts != 4 || e.Memory > 1<<30 {
		t.Errorf("%d hosts in %s", e.Hosts, sizeText(e.Memory))
	}
}

// A hundred hosts must be back long before the deadline, and fit a machine of 24 GiB.
func TestEstimateOfHundred(t *testing.T) {
	plan, diags := LoadFile(t.Context(), "hundred", Options{})
	if plan == nil {
		t.Fatal(diags)
	}
	e := plan.Estimate(EmulatedVMs())
	for i, c := range e.Cells {
		least, most := time.Minute, 4*time.Minute
		if plan.Cells[i].Fleet.Name == "kernel" {
			least, most = 6*time.Minute, 14*time.Minute
		}
		if d := time.Duration(c.Duration); d < least || d > most {
			t.Errorf("%s takes %v, want %v to %v", c.ID, d, least, most)
		}
	}
	if e.Hosts != 100 || e.Memory > 20<<30 {
		t.Errorf("%d hosts in %s", e.Hosts, sizeText(e.Memory))
	}
}

// Boots are those of hosts in loops, and what a run costs of our time follows from them and from the hosts that run.
func TestEstimateOfCost(t *testing.T) {
	const second = Duration(time.Second)
	assume := Assumptions{Boot: 3 * time.Second, Crash: 2 * time.Second, BootsAtOnce: 2, Trial: time.Minute, BootCost: time.Second, ActCost: 2 * time.Millisecond}
	plan := Plan{Repeat: 2, Deadline: 300 * second, Tempo: Tempo{Poll: 2 * second}} // half an act a second
	cell := Cell{
		Fleet:    Fleet{Architecture: "kernel", Hosts: 4},
		Update:   Update{Fault: "field_count", Signed: true},
		Recovery: Recovery{Strategy: noStrategy, Restart: 8 * second},
	}
	for _, test := range []struct {
		name   string
		change func(*Cell)
		boots  int
	}{
		{"nobody", func(*Cell) {}, 4 + 4*298/10}, // a turn takes 10 s, from 2 s to the deadline
		{"sooner", func(c *Cell) { c.Recovery.Restart = 0 }, 4 + 4*298/2},
		{"harmless", func(c *Cell) { c.Update.Fault = harmless }, 4},
		{"user mode", func(c *Cell) { c.Fleet.Architecture = "user" }, 4},
		// to the second panics, 2 + 16 + 2 x 3 s; then two hosts while the other two are worked on, after a boot of
		// all, for 30 s
		{"technicians", func(c *Cell) {
			c.Recovery = Recovery{Strategy: safeMode, Technicians: 2, Restart: 8 * second, HandsOn: Distribution{Kind: fixed, A: 30 * second}}
		}, 4 + int(4*2.2+8+2*3.6)},
	} {
		c := cell
		test.change(&c)
		plan.Cells = []Cell{c}
		e := plan.Estimate(assume)
		want := time.Minute + time.Duration(test.boots)*time.Second + time.Duration(4*float64(time.Duration(e.Cells[0].Duration))/1000)
		if got := time.Duration(e.Cells[0].Cost); e.Cells[0].Boots != test.boots || got != want {
			t.Errorf("%s: %d boots, %v; want %d, %v", test.name, e.Cells[0].Boots, got, test.boots, want)
		}
		if e.Boots != 2*test.boots || e.Cost != 2*e.Cells[0].Cost {
			t.Errorf("%s: in all %d boots, %v", test.name, e.Boots, e.Cost)
		}
		if acts := e.Acts(time.Minute); acts { // trials and boots are more than half
			t.Errorf("%s: what hosts do is said to take most of it", test.name)
		}
		busy := assume
		busy.ActCost = 10 * time.Second
		if e := plan.Estimate(busy); !e.Acts(time.Minute) || e.Acts(time.Duration(e.Cost)) {
			t.Errorf("%s: %v of which most is what hosts do", test.name, e.Cost)
		}
		if loops := e.Loops(time.Minute); loops != (test.boots > 70) {
			t.Errorf("%s: loops are said to take most of it: %t", test.name, loops)
		}
	}
}
