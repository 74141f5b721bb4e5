package console

import (
	"regexp"
	"strings"
	"time"
)

var (
	timestamp = regexp.MustCompile(`\[ *(\d+)\.(\d{6})\](?:\[ *[TC]\d+\])? `)
	// "RIP: 0010:ff_evaluate+0x1b3/0x2a0 [agentk]", "RIP: 0010:0x0"; 0033 is user space.
	instruction = regexp.MustCompile(`^RIP: 0010:(\S+)(?: \[([^\]\s]+)\])?`)
	symbol      = regexp.MustCompile(`^([A-Za-z_][\w.$]*)\+(0x[0-9a-f]+/0x[0-9a-f]+)$`)
	// " ff_evaluate+0x1b3/0x2a0 [agentk]"; a '?' marks what was merely found on the stack.
	frame = regexp.MustCompile(`^ ([A-Za-z_][\w.$]*)\+(0x[0-9a-f]+/0x[0-9a-f]+)(?: \[([^\]\s]+)\])?$`)
	// "stack-protector: Kernel stack is corrupted in: f+0x1/0x2 [m]"; "WARNING: CPU: 0 PID: 1 at a.c:1 f+0x1/0x2 [m]"
	named = regexp.MustCompile(`(?: in:| at \S+) ([A-Za-z_][\w.$]*)\+(0x[0-9a-f]+/0x[0-9a-f]+)(?: \[([^\]\s]+)\])?$`)
	// What gcc and clang append to the name of a part or a copy of a function.
	suffix = regexp.MustCompile(`\.(?:isra|constprop|part|cold|llvm)(?:\.\d+)?.*$`)
	bugAt  = regexp.MustCompile(`^kernel BUG at (\S+?)!?$`)
)

// A cause is what the first line of a crash says.
type cause struct {
	kind  string
	title string // followed by " in <function>"
	// where the fault's address is to be had: the faulting instruction, or the first frame of the task that waits
	waiting bool
	// the kernel prints nothing that marks the end of its account of it
	endless bool
}

// causes are matched in this order against the beginning of a kernel message. The words are those of
// arch/x86/mm/fault.c, arch/x86/kernel/{traps,dumpstack}.c, kernel/{watchdog,hung_task,panic}.c, kernel/rcu/tree_stall.h.
// Since 6.10 each oops says that it is one ("Oops: divide error: 0000 [#1]", "Oops: Oops: 0000 [#1]").
var causes = []struct {
	text *regexp.Regexp
	cause
}{
	{regexp.MustCompile(`^BUG: kernel NULL pointer dereference, address: `), cause{kind: TypeNullDereference, title: "NULL pointer dereference"}},
	{regexp.MustCompile(`^BUG: unable to handle (?:page fault for address: |kernel paging request)`), cause{kind: TypePageFault, title: "page fault"}},
	{regexp.MustCompile(`^BUG: unable to handle kernel NULL pointer dereference`), cause{kind: TypeNullDereference, title: "NULL pointer dereference"}},
	{regexp.MustCompile(`^BUG: (?:\S+ )?stack guard page was hit at `), cause{kind: TypeStackOverflow, title: "stack overflow"}},
	{regexp.MustCompile(`^BUG: stack guard page was hit `), cause{kind: TypeStackOverflow, title: "stack overflow"}},
	{regexp.MustCompile(`^traps: PANIC: double fault, error_code: `), cause{kind: TypeDoubleFault, title: "double fault"}},
	{regexp.MustCompile(`^kernel BUG at \S+!$`), cause{kind: TypeBug, title: "kernel BUG"}},
	{regexp.MustCompile(`^watchdog: BUG: soft lockup - CPU#\d+ stuck for `), cause{kind: TypeSoftLockup, title: "soft lockup", endless: true}},
	{regexp.MustCompile(`^(?:NMI )?[Ww]atchdog: (?:BUG: |Watchdog detected )hard LOCKUP on cpu `), cause{kind: TypeHardLockup, title: "hard lockup", endless: true}},
	{regexp.MustCompile(`^INFO: task \S.*:\d+ blocked for more than \d+ seconds\.$`), cause{kind: TypeHungTask, title: "task hung", waiting: true, endless: true}},
	{regexp.MustCompile(`^rcu: INFO: \S+ (?:self-detected stall on CPU|detected (?:expedited )?stalls on CPUs/tasks:)`), cause{kind: TypeRCUStall, title: "RCU stall", endless: true}},
	{regexp.MustCompile(`^WARNING: CPU: \d+ PID: \d+ at `), cause{kind: TypeWarning, title: "warning"}},
	{regexp.MustCompile(`^(?:Oops: )?general protection fault(?:, \S.*)?: [0-9a-f]+ \[#\d+\]`), cause{kind: TypeGeneralProtection, title: "general protection fault"}},
	{regexp.MustCompile(`^(?:Oops: )?divide error: [0-9a-f]+ \[#\d+\]`), cause{kind: TypeDivideError, title: "divide error"}},
	{regexp.MustCompile(`^(?:Oops: )?invalid opcode: [0-9a-f]+ \[#\d+\]`), cause{kind: TypeInvalidOpcode, title: "invalid opcode"}},
	{regexp.MustCompile(`^(?:Oops: )?double fault: [0-9a-f]+ \[#\d+\]`), cause{kind: TypeDoubleFault, title: "double fault"}},
	{regexp.MustCompile(`^(?:Oops: )?stack guard page: [0-9a-f]+ \[#\d+\]`), cause{kind: TypeStackOverflow, title: "stack overflow"}},
	{regexp.MustCompile(`^(?:Oops: )?(?:int3|stack segment|segment not present|invalid TSS|alignment check|bounds|bad trap|coprocessor segment overrun|control protection): [0-9a-f]+ \[#\d+\]`), cause{kind: TypeException, title: "exception"}},
	{regexp.MustCompile(`^(?:Oops: )+(?:[a-z ]+: )?[0-9a-f]+ \[#\d+\]`), cause{kind: TypeException, title: "exception"}},
}

// panics tell a panic's type by how its reason begins, for a panic that no cause came before.
var panics = []struct{ reason, kind, title string }{
	{"sysrq triggered crash", TypeSysrq, "crash by sysrq"},
	{"Attempted to kill init!", TypeInitKilled, "init killed"},
	{"No working init found", TypeNoInit, "no working init found"},
	{"No init found", TypeNoInit, "no working init found"},
	{"Requested init ", TypeNoInit, "requested init failed"},
	{"VFS: Unable to mount root fs", TypeNoRoot, "unable to mount the root file system"},
	{"Out of memory", TypeOutOfMemory, "out of memory"},
	{"System is deadlocked on memory", TypeOutOfMemory, "out of memory"},
	{"softlockup: hung tasks", TypeSoftLockup, "soft lockup"},
	{"Hard LOCKUP", TypeHardLockup, "hard lockup"},
	{"hung_task: blocked tasks", TypeHungTask, "task hung"},
	{"RCU Stall", TypeRCUStall, "RCU stall"},
	{"stack-protector: Kernel stack is corrupted", TypeStackOverflow, "stack corrupted"},
	{"corrupted stack end detected", TypeStackOverflow, "stack overflow"},
	{"kernel stack overflow", TypeStackOverflow, "stack overflow"},
	{"Machine halted.", TypeDoubleFault, "double fault"},
	{"panic_on_warn set", TypeWarning, "warning"},
	{"kernel: panic_on_warn set", TypeWarning, "warning"},
}

// waits are functions that every task is in when it waits: what it waits for is further up.
var waits = regexp.MustCompile(`^_*(?:schedule|io_schedule|preempt_schedule|mutex_lock|rt_mutex|rwsem_down|down|wait_for|do_wait|rwbase)`)

// noise are functions that report a fault instead of committing it.
var noise = regexp.MustCompile(`^(?:__die|die|oops_end|page_fault_oops|exc_|asm_|do_trap|do_error_trap|handle_bug|dump_stack|panic|show_regs)`)

func matchCause(text string) (cause, bool) {
	for _, c := range causes {
		if c.text.MatchString(text) {
			return c.cause, true
		}
	}
	return cause{}, false
}

// A crash is a report in the making.
type crash struct {
	cause
	module, function, offset string
	bug                      string // file:line of a BUG
	badJump                  bool   // the faulting instruction's address was itself bad
	excerpt                  []string
	lines                    int  // kernel lines seen
	ended                    bool // its account is over; another cause is another crash
	panicked                 bool // the kernel gave up
	complete                 bool // nothing that follows belongs to it
	reason                   string
	at                       time.Duration // the stamp of the first line
	end                      time.Duration // the stamp of the line that ended its account
	inPanic                  bool          // in the panic's trace: the next frame called panic()
}

// take reads one kernel message that belongs to the crash: line as printed, text without its timestamp.
func (c *crash) take(line, text string, what cause, isCause bool) {
	c.lines++
	c.keep(line)
	// The first cause counts; what follows until the end of its account are its consequences ("Oops: 0000 [#1]").
	if isCause && c.kind == "" {
		c.cause = what
		c.ended = what.endless
		if m := bugAt.FindStringSubmatch(text); m != nil {
			c.bug = m[1]
		}
		if m := named.FindStringSubmatch(text); m != nil {
			c.locate(m[1], m[2], m[3])
		}
		return
	}
	if c.function == "" && !c.waiting {
		if m := instruction.FindStringSubmatch(text); m != nil {
			if s := symbol.FindStringSubmatch(m[1]); s != nil {
				c.locate(s[1], s[2], m[2])
			} else {
				c.badJump = true
			}
		}
	}
	if c.function == "" && (c.waiting || c.badJump) {
		if m := frame.FindStringSubmatch(text); m != nil && !noise.MatchString(m[1]) && !(c.waiting && waits.MatchString(m[1])) {
			c.locate(m[1], m[2], m[3])
		}
	}
	if strings.HasPrefix(text, "---[ end trace ") {
		c.ended, c.end = true, stamp(line)
	}
}

func (c *crash) locate(function, offset, module string) {
	c.function, c.offset, c.module = suffix.ReplaceAllString(function, ""), offset, module
}

// repeats tells whether a cause, printed after the account of the crash has ended, is more of the same: a watchdog
// reports each task that hangs, and reports again what goes on.
func (c *crash) repeats(what cause) bool { return c.endless && what.kind == c.kind }

// aftermath is more than the kernel takes from the end of its account of an exception to the panic that comes of that: it ends the
// task that has met it, which may have been init.
const aftermath = 10 * time.Second

// explains tells whether a panic for this reason, printed at this time after the account of the crash has ended, is its consequence
// and not a crash of its own: a warning that was survived does not explain a later "sysrq triggered crash", and an exception
// that was survived does not explain that init ends much later.
func (c *crash) explains(reason string, at time.Duration) bool {
	for _, p := range panics {
		if strings.HasPrefix(reason, p.reason) && p.kind == c.kind {
			return true
		}
	}
	if c.endless || c.kind == TypeWarning || at-c.end > aftermath {
		return false
	}
	return strings.HasPrefix(reason, "Fatal ") || strings.HasPrefix(reason, "Attempted to kill ") ||
		strings.HasPrefix(reason, "Aiee, killing interrupt handler!")
}

// blame takes the panic's own words, which say what happened when nothing else did.
func (c *crash) blame(reason string) {
	c.reason, c.panicked = reason, true
	if c.kind == "" {
		c.kind, c.title = TypePanic, "kernel panic: "+plain(reason)
		for _, p := range panics {
			if strings.HasPrefix(reason, p.reason) {
				c.kind, c.title = p.kind, p.title
				break
			}
		}
		if m := named.FindStringSubmatch(reason); m != nil {
			c.locate(m[1], m[2], m[3])
		}
	}
	// What a watchdog or a warning found may have been too unimportant for the console ("quiet"), and who called panic()
	// is never said: the trace that follows has it. After an exception no trace follows.
	switch c.kind {
	case TypeSoftLockup, TypeHardLockup, TypeRCUStall, TypeWarning, TypePanic:
		c.complete = c.function != "" || strings.HasPrefix(reason, "Fatal ")
	default:
		c.complete = true
	}
}

// trace reads one kernel message of the trace that panic() prints.
func (c *crash) trace(line, text string) {
	c.lines++
	c.keep(line)
	if m := frame.FindStringSubmatch(text); m != nil {
		if c.inPanic && c.kind == TypePanic {
			c.locate(m[1], m[2], m[3])
		}
		c.inPanic = m[1] == "panic"
	}
	if m := instruction.FindStringSubmatch(text); m != nil && c.function == "" {
		if s := symbol.FindStringSubmatch(m[1]); s != nil {
			c.locate(s[1], s[2], m[2])
		}
	}
	// A panic device stops the machine right after the trace: its last line has to be enough.
	end := text == " </TASK>" || strings.HasPrefix(text, "Kernel Offset: ") || strings.HasPrefix(text, "---[ end Kernel panic")
	c.complete = c.function != "" || end || c.lines >= maxOpen
}

func (c *crash) keep(line string) {
	if len(c.excerpt) < maxExcerpt {
		c.excerpt = append(c.excerpt, printable(line))
	}
}

func (c *crash) report() Report {
	if c.panicked && len(c.excerpt) == maxExcerpt { // the last line is the panic's: it stays
		c.excerpt[maxExcerpt-1] = printable("Kernel panic - not syncing: " + c.reason)
	}
	title := c.title
	if c.bug != "" {
		title += " at " + printable(c.bug)
	}
	if c.badJump {
		title += " by a jump to a bad address"
	}
	switch {
	case c.module != "":
		title += " in " + c.module + ":" + c.function
	case c.function != "":
		title += " in " + c.function
	}
	return Report{
		Title: title, Type: c.kind, Module: c.module, Function: c.function, Offset: c.offset,
		Excerpt: c.excerpt, Panicked: c.panicked, At: c.at,
	}
}

var (
	numbers = regexp.MustCompile(`\b(?:0x)?[0-9a-f]{8,}\b|\b0x[0-9a-f]+\b|#\d+|\b\d+\b`)
	spaces  = regexp.MustCompile(`\s+`)
)

// plain makes a panic's reason fit for a title: no numbers, which differ from crash to crash, and not endless.
func plain(reason string) string {
	text := spaces.ReplaceAllString(numbers.ReplaceAllString(printable(reason), "N"), " ")
	if r := []rune(text); len(r) > 100 {
		text = string(r[:100]) + "…"
	}
	return strings.TrimSpace(text)
}
