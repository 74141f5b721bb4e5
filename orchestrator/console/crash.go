package console

import (
	"strings"
	"time"
)

// A crash is a report in the making.
type crash struct {
	cause
	at        symbol // the function at fault
	caller    string // whose call that was
	bug       string // file:line of a BUG
	badJump   bool   // the faulting instruction's address was itself bad
	context   string // what prints its account: see message
	excerpt   []string
	lines     int // messages seen
	unrelated int // of them: the last, which are of no account
	reading   reading
	aside     int  // CPUs to be named until what follows tells of the crash again
	ended     bool // its account is over; another cause is another crash
	panicked  bool // the kernel gave up
	complete  bool // nothing that follows belongs to it
	reason    string
	began     time.Duration // the stamp of the first line
	end       time.Duration // the stamp of the line that ended its account
	inPanic   bool          // in the panic's trace: past the frame of panic()
}

// reading is how far the account of a crash is read.
type reading int

const (
	beforeTrace reading = iota
	inTrace
	afterTrace
	readAll // nothing that follows tells of it
)

// take reads one message that belongs to the crash.
func (c *crash) take(m message, first match, isCause bool) {
	c.lines++
	if c.unrelated++; isAccount(m.text) {
		c.unrelated = 0
	}
	// The first cause counts; what follows until the end of its account are its consequences ("Oops: 0000 [#1]").
	if isCause && c.kind == "" {
		c.keep(m)
		c.cause, c.ended, c.bug = first.cause, first.endless, first.bug
		if !m.cut {
			c.at = first.where
		}
		return
	}
	if !c.tells(m) {
		return
	}
	c.keep(m)
	if m.cut { // half an address is another address
		return
	}
	if isCause && c.endless {
		c.reading = readAll
	}
	c.read(m.text)
	if strings.HasPrefix(m.text, "---[ end trace ") || c.kind == TypeWarning && strings.HasPrefix(m.text, "====") {
		c.ended, c.end, c.reading = true, m.since(), afterTrace // an oops tells its RIP once more
	}
}

// tells tells whether a message is of what prints the account of the crash: those of other CPUs and tasks come in
// between, which shows where messages say who prints them.
func (c *crash) tells(m message) bool {
	return c.remote || c.context == "" || m.context == "" || c.context == m.context
}

// read takes from a line of the account which function is at fault.
func (c *crash) read(text string) {
	if c.reading == readAll {
		return
	}
	if s, ok := readFrame(text); ok {
		if c.aside == 0 && c.reading != afterTrace {
			c.reading = inTrace
			c.frame(s)
		}
		return
	}
	if s, known, ok := readInstruction(text); ok {
		if c.aside == 0 && c.at.function == "" && c.source == instruction {
			c.at, c.badJump = s, !known
		}
		return
	}
	switch {
	case strings.HasPrefix(text, "Call Trace:"):
		if c.aside == 0 {
			c.reading = min(c.reading+1, afterTrace) // a second trace is another's
		}
	case text == " </TASK>", strings.HasPrefix(text, "RIP: 0033:"), // the program's instruction, below all frames
		strings.HasPrefix(text, "Allocated by "), strings.HasPrefix(text, "Freed by "): // by whom a sanitizer's memory was
		if c.aside == 0 {
			c.reading = afterTrace
		}
	case strings.HasPrefix(text, "rcu: Stack dump where RCU GP kthread last ran:"):
		c.aside = 2 // its account begins with the next CPU, and ends before the one after that
	case strings.HasPrefix(text, "CPU: "),
		strings.HasPrefix(text, "NMI backtrace for cpu ") && strings.Contains(text, " skipped: "):
		c.aside = max(c.aside-1, 0)
		if c.at.function == "" && c.kind == TypeRCUStall {
			c.reading = beforeTrace
		}
	case strings.HasPrefix(text, "Sending NMI "), strings.HasPrefix(text, "NMI backtrace for cpu "):
		if c.kind != TypeRCUStall && c.kind != TypeHardLockup { // the others are not at fault
			c.reading = readAll
		}
	}
}

// frame reads a frame of the account's trace.
func (c *crash) frame(s symbol) {
	if c.at.function != "" {
		c.call(s)
		return
	}
	if c.badJump && !s.isHelper() || c.source == firstFrame && s.acts() {
		c.at = s
	}
}

// call notes the first frame that is in a module, where the function at fault is in none.
func (c *crash) call(s symbol) {
	if c.at.module == "" && c.caller == "" && s.module != "" {
		c.caller = s.name()
	}
}

// repeats tells whether a cause, printed after the account of the crash has ended, is more of the same: a watchdog
// reports each task that hangs, and reports again what goes on.
func (c *crash) repeats(what cause) bool {
	return c.endless && what.endless && what.kind == c.kind
}

// exhausted tells whether the kernel has gone on to other things.
func (c *crash) exhausted() bool { return c.unrelated >= maxUnrelated || c.lines >= maxAccount }

// aftermath is more than the kernel takes from the end of its account of an exception to the panic that comes of
// that: it ends the task that has met it, which may have been init.
const aftermath = 10 * time.Second

// explains tells whether a panic for this reason, printed after the account of the crash has ended, is its consequence
// and not a crash of its own: a warning that was survived does not explain a later "sysrq triggered crash", and an
// exception that was survived does not explain that init ends much later.
func (c *crash) explains(reason string, m message) bool {
	for _, p := range panics {
		if startsWith(reason, p.reason, m.cut) && p.kind == c.kind {
			return true
		}
	}
	if c.endless || c.kind == TypeWarning || m.since()-c.end > aftermath {
		return false
	}
	return startsWith(reason, "Fatal ", m.cut) || startsWith(reason, "Attempted to kill ", m.cut) ||
		startsWith(reason, "Aiee, killing interrupt handler!", m.cut)
}

// startsWith tells whether the text starts so or, when its end is missing, may have.
func startsWith(text, start string, cut bool) bool {
	return strings.HasPrefix(text, start) || cut && strings.HasPrefix(start, text)
}

// blame takes the panic's own words, which say what happened when nothing else did.
func (c *crash) blame(m message, reason string) {
	c.lines++
	c.keep(m)
	c.reason, c.panicked, c.context = reason, true, m.context
	if c.kind == "" {
		c.kind, c.title = matchPanic(reason, m.cut)
		// "stack-protector: Kernel stack is corrupted in: f+0x1/0x2 [m]"
		if _, in, ok := strings.Cut(reason, " in: "); ok && !m.cut {
			c.at, _ = readSymbol(in)
		}
	}
	// What a watchdog or a warning found may have been too unimportant for the console ("quiet"), and who called panic()
	// is never said: the trace that follows has it. After an exception no trace follows.
	switch c.kind {
	case TypeSoftLockup, TypeHardLockup, TypeRCUStall, TypeWarning, TypePanic:
		c.complete = c.at.function != "" || c.remote || strings.HasPrefix(reason, "Fatal ")
	default:
		c.complete = true
	}
}

// trace reads one message of the trace that panic() prints.
func (c *crash) trace(m message) {
	if c.context != "" && m.context != "" && c.context != m.context {
		return
	}
	c.lines++
	c.keep(m)
	if m.cut {
		return
	}
	end := m.text == " </TASK>" || strings.HasPrefix(m.text, "Kernel Offset: ") ||
		strings.HasPrefix(m.text, "---[ end Kernel panic")
	if s, ok := readFrame(m.text); ok {
		c.panicFrame(s)
		end = end || strings.HasPrefix(s.function, "ret_from_fork")
	} else if s, known, ok := readInstruction(m.text); ok && known && c.at.function == "" {
		c.at = s
	}
	// A panic device stops the machine right after the trace: its last line has to be enough.
	c.complete = c.at.module != "" || c.caller != "" || end || c.exhausted()
}

// panicFrame reads a frame of the trace that panic() prints.
func (c *crash) panicFrame(s symbol) {
	switch {
	case c.at.function != "":
		c.call(s)
	case c.kind == TypeWarning && s.acts(), c.kind == TypePanic && c.inPanic && !s.isHelper():
		c.at = s
	}
	c.inPanic = c.inPanic || s.module == "" && (s.function == "panic" || s.function == "vpanic")
}

func (c *crash) keep(m message) {
	if len(c.excerpt) < maxExcerpt {
		c.excerpt = append(c.excerpt, printable(m.line))
	}
}

// accounts are how lines begin that the kernel prints in an account of a crash, beside frames and what else begins with
// a blank.
var accounts = []string{
	"RIP: ", "RSP: ", "Code: ", "RAX: ", "RDX: ", "RBP: ", "R10: ", "R13: ", "FS: ", "CS: ", "CR2: ", "DR0: ", "DR3: ",
	"PKRU: ", "CPU: ", "Hardware name: ", "Modules linked in: ", "Call Trace:", "---[ ", "------------[ ", "====", "#PF: ",
	"PGD ", "Oops: ", "Workqueue: ", "task:", "Sending NMI ", "NMI backtrace ",
}

// isAccount tells whether a message is of an account of a crash.
func isAccount(text string) bool {
	if strings.HasPrefix(text, " ") {
		return true
	}
	for _, a := range accounts {
		if strings.HasPrefix(text, a) {
			return true
		}
	}
	return false
}
