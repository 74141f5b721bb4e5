package scenarios

import (
	"fmt"
	"slices"
	"time"
)

// defaultRestart is a real machine's: before it boots again Windows writes a dump of its memory and restarts by itself,
// see Microsoft, "Configure system failure and recovery options in Windows", and firmware tests the machine, which
// takes a server minutes. A VM here would be back in a second, and each turn of a boot loop has to be computed.
const defaultRestart = time.Minute

// The ways back that there are.
const (
	noStrategy = "none"      // hosts restart by themselves after a panic, and nobody comes
	safeMode   = "safe_mode" // a technician boots the host without the agent and removes the content
)

// A way is a way back: what a recovery can have as its strategy, with parameters of its own. What is done then is its
// script in package recovery.
type way struct {
	name   string
	what   string // after the name, in a sentence
	params []attribute
	read   func(given *section, r *Recovery) // the parameters; what is wrong with them is reported
}

// ways lists the ways back, by name: the one place that names them.
func ways() []way {
	return []way{
		{name: noStrategy, what: "which is the default where nothing is said of technicians", read: func(*section, *Recovery) {}},
		{name: safeMode, what: "a technician boots the host without the agent, removes the content and boots it again", params: []attribute{
			{"technicians", false, `technicians = 2`, "How many hosts can be worked on at the same time.", "1"},
			{"hands_on", false, `hands_on = lognormal("4m", 0.5)`, "A technician's time for one host, besides its boots: a distribution, or a duration. safe_mode needs it.", ""},
			{"notice", false, `notice = "5m"`, "From a host's boot loop, hang or failing work to its place in the technicians' queue.", `"0s"`},
		}, read: readSafeMode},
	}
}

// Strategies lists the names of the ways back, sorted.
func Strategies() []string {
	var names []string
	for _, w := range ways() {
		names = append(names, w.name)
	}
	return names
}

// strategySentence is what the reference says of a recovery's strategy.
func strategySentence() string {
	all := ways()
	text := ""
	for _, w := range all[1:] {
		text += w.name + ", " + w.what + "; "
	}
	return fmt.Sprintf("%sor %s, %s.", text, all[0].name, all[0].what)
}

// wayParameters are the parameters of all ways back; each way refuses what is another's.
func wayParameters() []attribute {
	var all []attribute
	for _, w := range ways() {
		for _, p := range w.params {
			if !slices.ContainsFunc(all, func(a attribute) bool { return a.name == p.name }) {
				all = append(all, p)
			}
		}
	}
	return all
}

// recovery reads a recovery block. Its way back is an attribute, with the parameters beside it, or a block of its own.
func (s *script) recovery(sec *section) Recovery {
	r := Recovery{
		Name: sec.name, Strategy: noStrategy, Restart: sec.duration("restart", 0, time.Hour, defaultRestart), HandsOn: Distribution{Kind: fixed},
	}
	given := sec
	if blocks := sec.blocks.OfType("way"); len(blocks) > 0 {
		for _, name := range append([]string{"strategy"}, attrNames(wayParameters())...) {
			if sec.has(name) {
				sec.l.errorf(blocks[0].DefRange, "Two ways back",
					"The recovery has the attribute %s at %s and a way block: keep one.", name, sec.attrs[name].Range)
				return r
			}
		}
		given = sec.l.open(language.block("recovery").block("way"), blocks[0])
		given.ctx = sec.ctx
		if r.Strategy = given.name; !slices.Contains(Strategies(), given.name) {
			given.l.errorf(given.label, "Unknown way back",
				"There is no way back %q.%s", shorten(given.name), hint(given.name, "ways back", Strategies()))
			return r
		}
	} else {
		r.Strategy = sec.choice("strategy", impliedWay(sec), "strategies", Strategies())
		if !sec.settled("strategy") {
			return r
		}
	}
	for _, w := range ways() {
		if w.name == r.Strategy {
			given.refuseOthers(w)
			w.read(given, &r)
		}
	}
	return r
}

// impliedWay is the way back of a block that gives parameters and names none.
func impliedWay(sec *section) string {
	if slices.ContainsFunc(wayParameters(), func(p attribute) bool { return sec.has(p.name) }) {
		return safeMode
	}
	return noStrategy
}

// refuseOthers reports parameters of other ways back.
func (s *section) refuseOthers(own way) {
	for _, other := range ways() {
		for _, p := range other.params {
			if s.has(p.name) && !slices.Contains(attrNames(own.params), p.name) {
				s.fail(p.name, "Unsuitable parameter",
					"The way back %q has no parameter %q: remove it, or choose a way that has it, such as %q.", own.name, p.name, other.name)
			}
		}
	}
}

func readSafeMode(given *section, r *Recovery) {
	r.Notice = given.duration("notice", 0, maxDuration, 0)
	r.HandsOn = given.distribution("hands_on")
	r.Technicians = int(given.integer("technicians", 0, 1_000_000, 1))
	if given.settled("technicians") && r.Technicians == 0 {
		given.fail("technicians", "Nobody there to recover",
			"With the strategy %q a technician must come, and there are none: give at least 1, or write strategy = %q.",
			safeMode, noStrategy)
	}
	if !given.has("hands_on") {
		given.l.errorf(given.def, "Missing attribute",
			"With the strategy %q a recovery needs %q, a technician's time for one host, for example: "+
				"hands_on = lognormal(\"4m\", 0.5)",
			safeMode, "hands_on")
	}
}
