package scenarios

import (
	"fmt"
	"slices"
	"time"
)

// expand multiplies the blocks to cells and checks what can only be seen from all of them together. It returns nil when
// anything was reported, by it or before.
func (s *script) expand(l *loader) *Plan {
	if len(s.rollouts) == 0 {
		s.rollouts = []declared[string]{{everyone, s.head}}
	}
	if len(s.recoveries) == 0 {
		s.recoveries = []declared[Recovery]{{Recovery{
			Name: noStrategy, Strategy: noStrategy, HandsOn: Distribution{Kind: fixed}, Restart: Duration(defaultRestart),
		}, s.head}}
	}
	s.checkBackend(l)
	s.addControl()
	s.checkTimes()
	if !s.checkSize(l) {
		return nil
	}
	cells := s.multiply()
	names := namesOf(cells)
	for _, sel := range s.excludes {
		s.checkNames(l, sel, names)
	}
	for _, e := range s.expects {
		s.checkNames(l, e.where, names)
	}
	if l.diags.HasErrors() {
		return nil // from here on a mistake above would bring its consequences along
	}
	for _, sel := range s.excludes {
		l.budget.charge(int64(len(cells)))
		cells = sel.exclude(l, cells)
	}
	s.checkArms(l, cells)
	if n := len(cells) * s.plan.Repeat; n > maxSamples {
		s.head.fail("repeat", "Too many runs",
			"%d cells %d times over are %d runs; there may be %d.", len(cells), s.plan.Repeat, n, maxSamples)
	}
	for _, e := range s.expects {
		e.where.checkMatches(l, fmt.Sprintf("Expectation %q: ", shorten(e.value.Name)), cells)
		s.plan.Expect = append(s.plan.Expect, e.value)
	}
	s.plan.Cells = cells
	for _, n := range s.nodes {
		s.plan.Nodes = append(s.plan.Nodes, n.value)
	}
	if l.diags.HasErrors() {
		return nil
	}
	return &s.plan
}

// addControl gives a scenario that marks no control arm one of its own: the first fleet once more.
func (s *script) addControl() {
	for _, f := range s.fleets {
		if f.value.Control {
			return
		}
	}
	if len(s.fleets) == 0 {
		return // reported
	}
	arm := s.fleets[0]
	arm.value.Name, arm.value.Control = controlFleet, true
	s.fleets = append(s.fleets, arm)
}

func (s *script) multiply() []Cell {
	var cells []Cell
	for _, fleet := range s.fleets {
		for _, update := range s.updates {
			for _, rollout := range s.rollouts {
				for _, recovery := range s.recoveries {
					c := Cell{Fleet: fleet.value, Update: update.value, Rollout: rollout.value, Recovery: recovery.value}
					if c.Fleet.Control {
						// Signed too: a control that is shipped what agents refuse would not be shipped an update.
						c.Update.Fault, c.Update.Parameters, c.Update.Signed = harmless, nil, true
					}
					c.ID = fmt.Sprintf("%s/%s/%s/%s", c.Fleet.Name, c.Update.Name, c.Rollout, c.Recovery.Name)
					cells = append(cells, c)
				}
			}
		}
	}
	return cells
}

// checkTimes reports times that contradict each other.
func (s *script) checkTimes() {
	if s.broken["scenario"] {
		return
	}
	p := &s.plan
	if p.StableFor >= p.Deadline {
		s.head.fail("stable_for", "Deadline too early",
			"A host counts as back after %s without trouble, but the deadline at %s is %s: every host would "+
				"be censored. Make stable_for shorter or deadline longer.",
			text(p.StableFor), s.head.at("deadline"), text(p.Deadline))
	}
	if p.Liveness < 2*p.Tempo.Beat && !s.broken["guest"] {
		s.head.fail("liveness", "Liveness too short",
			"A host that misses beats for %s counts as hung, and beats come each %s: healthy hosts would too. "+
				"Make liveness at least twice the guest's beat.",
			text(p.Liveness), text(p.Tempo.Beat))
	}
	for _, u := range s.updates {
		if u.value.RevertAfter >= p.Deadline {
			u.from.fail("revert_after", "Deadline too early",
				"The vendor pulls the update %s after shipping it, but the deadline at %s is %s: nobody would "+
					"see the remedy work. Make revert_after shorter or deadline longer.",
				text(u.value.RevertAfter), s.head.at("deadline"), text(p.Deadline))
		}
	}
	for _, r := range s.recoveries {
		if r.value.Notice >= p.Deadline {
			r.from.fail("notice", "Deadline too early",
				"Technicians hear of a host after %s, but the deadline at %s is %s: none would ever come. "+
					"Make notice shorter or deadline longer.",
				text(r.value.Notice), s.head.at("deadline"), text(p.Deadline))
		}
	}
}

// checkSize reports fleets and products that no run could hold; it tells whether it is safe to multiply.
func (s *script) checkSize(l *loader) bool {
	on, known := s.onBackend(l) // of one that there is not, it is reported
	limit := on.MaxHosts * int64(max(1, len(s.nodes)))
	fewer := "give it fewer hosts"
	if len(on.lacks(Node{})) == 0 {
		fewer = "spread the fleet over several with host blocks, or " + fewer
	}
	for _, f := range s.fleets {
		// Of an incomplete scenario the host blocks that are missing may make the room.
		if known && int64(f.value.Hosts) > limit && !(s.incomplete && len(s.nodes) > 0) {
			f.from.fail("hosts", "Too many hosts",
				"A fleet may have %d hosts on the backend %q, not %d. A machine holds %d: %s.",
				limit, on.Name, f.value.Hosts, on.MaxHosts, fewer)
		}
	}
	if n := len(s.fleets) * len(s.updates) * len(s.rollouts) * len(s.recoveries); n > maxCells {
		l.errorf(s.head.def, "Too many cells",
			"%d fleets (the control arm among them) x %d updates x %d rollouts x %d recoveries are %d cells; "+
				"there may be %d. Split the scenario.",
			len(s.fleets), len(s.updates), len(s.rollouts), len(s.recoveries), n, maxCells)
		return false
	}
	return true
}

// checkArms reports a matrix that leaves nothing to compare, or nothing to compare it with.
func (s *script) checkArms(l *loader, cells []Cell) {
	control, tried := 0, 0
	for _, c := range cells {
		if c.Fleet.Control {
			control++
		} else {
			tried++
		}
	}
	at := s.head.def
	if len(s.excludes) > 0 {
		at = s.excludes[len(s.excludes)-1].at
	}
	switch {
	case tried == 0:
		l.errorf(at, "Nothing to run",
			"No cell is left that gets the scenario's update: there must be a fleet without control = true "+
				"that no exclude takes away.")
	case control == 0:
		l.errorf(at, "No control arm",
			"The excludes take every control cell away; at least one must stay, so that what the testbed "+
				"itself costs is known.")
	}
}

// checkNames reports names of a selector that no cell has, with those that there are.
func (s *script) checkNames(l *loader, sel selector, names map[string][]string) {
	if s.incomplete {
		return
	}
	for _, key := range selectorKeys {
		w, ok := sel.wanted[key]
		// A fleet whose architecture could not be read may be the one that is meant.
		if !ok || slices.Contains(names[key], w.name) || key == "architecture" && slices.Contains(names[key], "") {
			continue
		}
		l.errorf(w.at, "No such "+key,
			"No cell has the %s %q.%s", key, shorten(w.name), hint(w.name, plural(key), names[key]))
	}
}

// exclude is the cells without those that the selector matches.
func (s selector) exclude(l *loader, cells []Cell) []Cell {
	s.checkMatches(l, "", cells)
	return slices.DeleteFunc(slices.Clone(cells), func(c Cell) bool { return matches(s.terms(), c) })
}

// checkMatches reports a selector that matches no cell although each of its names is one of a cell. Whose it is says
// what, of which there can be many in one place of the file; "" where the place tells.
func (s selector) checkMatches(l *loader, what string, cells []Cell) {
	if slices.ContainsFunc(cells, func(c Cell) bool { return matches(s.terms(), c) }) {
		return
	}
	var terms []string
	for _, key := range selectorKeys {
		if w, ok := s.wanted[key]; ok {
			terms = append(terms, fmt.Sprintf("%s %q", key, shorten(w.name)))
		}
	}
	l.errorf(s.at, "Matches no cell", "%sNo cell has %s; what has may have been excluded.%s", what, andList(terms), someCells(cells))
}

func someCells(cells []Cell) string {
	const most = 12
	var ids []string
	for _, c := range cells[:min(len(cells), most)] {
		ids = append(ids, c.ID)
	}
	if len(ids) == 0 {
		return ""
	}
	if more := len(cells) - len(ids); more > 0 {
		ids = append(ids, fmt.Sprintf("%d more", more))
	}
	return " The cells are " + andList(ids) + "."
}

func plural(key string) string {
	if key == "recovery" {
		return "recoveries"
	}
	return key + "s"
}

// namesOf lists, for each key of a selector, the names that some cell has.
func namesOf(cells []Cell) map[string][]string {
	names := map[string][]string{}
	for _, key := range selectorKeys {
		for _, c := range cells {
			names[key] = append(names[key], part(c, key))
		}
		names[key] = sorted(names[key])
	}
	return names
}

func text(d Duration) string { return durationText(time.Duration(d)) }
