package console

import (
	"bytes"
	"strings"
)

// A cause is what the first line of a crash says.
type cause struct {
	kind    string
	title   string // followed by " in <function>"
	source  source // what tells in which function
	endless bool   // the kernel prints nothing that marks the end of its account of it
	remote  bool   // another CPU than the one that prints the account met it
}

// A source is what in a crash's account tells the function that is at fault.
type source int

const (
	instruction source = iota // the faulting instruction, in the line of RIP
	firstFrame                // the first frame of the trace beyond what reports the fault and beyond what waits
)

// A match is a cause with what else its line says.
type match struct {
	cause
	bug   string // file:line of a BUG
	where symbol // the function, where the line names it
}

// A row is how a message begins, how to take the rest apart, and what it says.
type row struct {
	begin string
	rest  func(rest string, m *match) bool
	cause
}

// causes are what a kernel message may begin with that begins a crash. What follows is taken apart by rest, which tells
// whether it is as the kernel prints it; without rest, anything may follow. The words are those of arch/x86/mm/fault.c,
// arch/x86/kernel/{traps,cet,dumpstack}.c, kernel/{watchdog,watchdog_perf,hung_task,panic,sched/core}.c,
// kernel/rcu/{tree_stall,tree_exp}.h, mm/{kasan,kfence,kmsan}/report.c and lib/ubsan.c.
var causes = []row{
	{"BUG: kernel NULL pointer dereference, address: ", nil, cause{kind: TypeNullDereference, title: "NULL pointer dereference"}},
	{"BUG: unable to handle kernel NULL pointer dereference", nil, cause{kind: TypeNullDereference, title: "NULL pointer dereference"}},
	{"BUG: unable to handle page fault for address: ", nil, cause{kind: TypePageFault, title: "page fault"}},
	{"BUG: unable to handle kernel paging request", nil, cause{kind: TypePageFault, title: "page fault"}},
	{"BUG: ", guardPage, cause{kind: TypeStackOverflow, title: "stack overflow"}},
	{"traps: PANIC: double fault, error_code: ", nil, cause{kind: TypeDoubleFault, title: "double fault"}},
	{"traps: Missing ENDBR: ", place, cause{kind: TypeException, title: "control protection"}},
	{"Missing ENDBR: ", place, cause{kind: TypeException, title: "control protection"}},
	{"kernel BUG at ", bugAt, cause{kind: TypeBug, title: "kernel BUG"}},
	{"watchdog: BUG: soft lockup - CPU#", nil, cause{kind: TypeSoftLockup, title: "soft lockup", endless: true}},
	{"watchdog: ", hardLockupElsewhere, cause{kind: TypeHardLockup, title: "hard lockup", endless: true, remote: true}},
	{"watchdog: ", hardLockup, cause{kind: TypeHardLockup, title: "hard lockup", endless: true}},
	{"NMI watchdog: ", hardLockup, cause{kind: TypeHardLockup, title: "hard lockup", endless: true}},
	{"INFO: task ", blocked, cause{kind: TypeHungTask, title: "task hung", source: firstFrame, endless: true}},
	{"rcu: INFO: ", selfDetected, cause{kind: TypeRCUStall, title: "RCU stall", endless: true}},
	{"rcu: INFO: ", detected, cause{kind: TypeRCUStall, title: "RCU stall", endless: true, remote: true}},
	{"WARNING: ", warning, cause{kind: TypeWarning, title: "warning"}},
	{"BUG: KASAN: ", sanitizer, cause{kind: TypeWarning, title: "warning", source: firstFrame}},
	{"BUG: KFENCE: ", sanitizer, cause{kind: TypeWarning, title: "warning", source: firstFrame}},
	{"BUG: KMSAN: ", sanitizer, cause{kind: TypeWarning, title: "warning", source: firstFrame}},
	{"UBSAN: ", undefined, cause{kind: TypeWarning, title: "warning", source: firstFrame}},
	{"BUG: scheduling while atomic: ", nil, cause{kind: TypeWarning, title: "warning", source: firstFrame, endless: true}},
}

// traps are what the kernel calls the exceptions of the CPU that it dies of, e.g. "divide error: 0000 [#1] SMP"; in
// some versions with underscores. Since 6.10 each oops says that it is one ("Oops: divide error: 0000 [#1]").
var traps = map[string]cause{
	"general protection fault":             {kind: TypeGeneralProtection, title: "general protection fault"},
	"divide error":                         {kind: TypeDivideError, title: "divide error"},
	"invalid opcode":                       {kind: TypeInvalidOpcode, title: "invalid opcode"},
	"double fault":                         {kind: TypeDoubleFault, title: "double fault"},
	"stack guard page":                     {kind: TypeStackOverflow, title: "stack overflow"},
	"kernel stack overflow (double-fault)": {kind: TypeStackOverflow, title: "stack overflow"}, // until 5.15
	"kernel stack overflow (page fault)":   {kind: TypeStackOverflow, title: "stack overflow"},
	"int3":                                 {kind: TypeException, title: "exception"},
	"stack segment":                        {kind: TypeException, title: "exception"},
	"segment not present":                  {kind: TypeException, title: "exception"},
	"invalid TSS":                          {kind: TypeException, title: "exception"},
	"alignment check":                      {kind: TypeException, title: "exception"},
	"bounds":                               {kind: TypeException, title: "exception"},
	"bad trap":                             {kind: TypeException, title: "exception"},
	"coprocessor segment overrun":          {kind: TypeException, title: "exception"},
	"control protection":                   {kind: TypeException, title: "control protection"},
}

const oopsNumber = " [#" // of the exceptions that the kernel has met: "[#1]"

const panicPrefix = "Kernel panic - not syncing:"

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
	{"KASAN: panic_on_warn set", TypeWarning, "warning"},
	{"KCSAN: panic_on_warn set", TypeWarning, "warning"},
	{"KFENCE: panic_on_warn set", TypeWarning, "warning"},
	{"KMSAN: panic_on_warn set", TypeWarning, "warning"},
	{"UBSAN: panic_on_warn set", TypeWarning, "warning"},
	{"kasan.fault=panic set", TypeWarning, "warning"},
	{"kmsan.panic set", TypeWarning, "warning"},
	{"scheduling while atomic", TypeWarning, "warning"},
}

// matchPanic tells the type and title of a crash of which nothing but the panic's reason is known.
func matchPanic(reason string, cut bool) (kind, title string) {
	for _, p := range panics {
		if strings.HasPrefix(reason, p.reason) {
			return p.kind, p.title
		}
	}
	title = "kernel panic"
	if said := plain(reason); said != "" && !cut { // half a reason is another reason
		title += ": " + said
	}
	return TypePanic, title
}

// rows are the causes by the first byte: most messages begin with a byte that no cause begins with.
var rows = func() (rows [256][]*row) {
	for i := range causes {
		first := causes[i].begin[0]
		rows[first] = append(rows[first], &causes[i])
	}
	return rows
}()

// mayBegin tells cheaply whether a message may begin a crash.
func mayBegin(text []byte) bool {
	if len(text) == 0 {
		return false
	}
	for _, r := range rows[text[0]] {
		if len(text) >= len(r.begin) && string(text[:len(r.begin)]) == r.begin {
			return true
		}
	}
	return bytes.HasPrefix(text, []byte(panicPrefix)) || bytes.Contains(text, []byte(oopsNumber))
}

// matchCause tells what crash a message begins.
func matchCause(text string) (match, bool) {
	if text == "" {
		return match{}, false
	}
	for _, r := range rows[text[0]] {
		rest, ok := strings.CutPrefix(text, r.begin)
		if !ok {
			continue
		}
		m := match{cause: r.cause}
		if r.rest == nil || r.rest(rest, &m) {
			return m, true
		}
	}
	if strings.Contains(text, oopsNumber) {
		return matchTrap(text)
	}
	return match{}, false
}

// matchTrap takes apart "Oops: general protection fault, probably for …: 0000 [#1] SMP": "Oops: ", maybe more than once
// or not at all, the trap's name, the error code and the number of the oops.
func matchTrap(text string) (match, bool) {
	name, oops := text, false
	for strings.HasPrefix(name, "Oops: ") {
		name, oops = name[len("Oops: "):], true
	}
	name, number, _ := strings.Cut(name, oopsNumber)
	if digits, _, ok := strings.Cut(number, "]"); !ok || !all(digits, isDigit) {
		return match{}, false
	}
	code := name[strings.LastIndexByte(name, ' ')+1:]
	if !all(code, isHex) {
		return match{}, false
	}
	if name == code { // no name: what "BUG: unable to handle page fault" precedes
		return match{cause: cause{kind: TypeException, title: "exception"}}, oops
	}
	name, ok := strings.CutSuffix(strings.TrimSuffix(name, code), ": ")
	name, _, _ = strings.Cut(name, ", ")
	name = strings.ReplaceAll(name, "_", " ")
	if trap, known := traps[name]; known && ok {
		return match{cause: trap}, true
	}
	return match{cause: cause{kind: TypeException, title: "exception"}}, ok && oops
}

// guardPage: "TASK stack guard page was hit at …", before 5.15 without the stack's kind.
func guardPage(rest string, _ *match) bool {
	before, _, ok := strings.Cut(rest, "stack guard page was hit ")
	return ok && (before == "" || strings.IndexByte(before, ' ') == len(before)-1)
}

// place: "agent_hook+0x4/0xd0 [agentk]", or an address.
func place(rest string, m *match) bool {
	m.where, _ = readSymbol(rest)
	return true
}

// bugAt: "mm/slub.c:435!".
func bugAt(rest string, m *match) bool {
	place, ok := strings.CutSuffix(rest, "!")
	_, line, _ := strings.Cut(place, ":")
	m.bug = place
	return ok && !strings.Contains(place, " ") && all(line, isDigit)
}

// hardLockup: "Watchdog detected hard LOCKUP on cpu 2", since 6.13 "CPU2: Watchdog detected hard LOCKUP on cpu 2".
func hardLockup(rest string, _ *match) bool {
	if cpu, after, ok := strings.Cut(rest, ": "); ok && strings.HasPrefix(cpu, "CPU") && all(cpu[3:], isDigit) {
		rest = after
	}
	return strings.HasPrefix(rest, "Watchdog detected hard LOCKUP") || strings.HasPrefix(rest, "BUG: hard LOCKUP on cpu ")
}

// hardLockupElsewhere: "CPU1: Watchdog detected hard LOCKUP on cpu 2", by the buddy of the CPU that is locked up.
func hardLockupElsewhere(rest string, m *match) bool {
	finder, after, _ := strings.Cut(rest, ": ")
	_, locked, ok := strings.Cut(after, " on cpu ")
	return ok && hardLockup(rest, m) && strings.HasPrefix(finder, "CPU") && finder[3:] != locked
}

// blocked: "exec-work:97 blocked for more than 120 seconds.", since 6.18 also "… blocked in I/O wait for more than …".
func blocked(rest string, _ *match) bool {
	i := strings.LastIndex(rest, " for more than ")
	if i < 0 {
		return false
	}
	seconds, whole := strings.CutSuffix(rest[i+len(" for more than "):], " seconds.")
	task, is := strings.CutSuffix(strings.TrimSuffix(rest[:i], " in I/O wait"), " blocked")
	colon := strings.LastIndexByte(task, ':')
	return whole && is && all(seconds, isDigit) && colon > 0 && all(task[colon+1:], isDigit)
}

// selfDetected: "rcu_preempt self-detected stall on CPU".
func selfDetected(rest string, _ *match) bool {
	_, what, _ := strings.Cut(rest, " ")
	return strings.HasPrefix(what, "self-detected stall on CPU")
}

// detected: "rcu_preempt detected stalls on CPUs/tasks:", or "… detected expedited stalls on CPUs/tasks: { 1-... } …".
func detected(rest string, _ *match) bool {
	_, what, _ := strings.Cut(rest, " ")
	return strings.HasPrefix(what, "detected stalls on CPUs/tasks:") ||
		strings.HasPrefix(what, "detected expedited stalls on CPUs/tasks:")
}

// warning: "CPU: 0 PID: 97 at a.c:12 f+0x1/0x9 [m]"; since 6.18 "[n > max] a.c:12 at f+0x1/0x9 [m], CPU#0: demo/97",
// where the condition may be missing.
func warning(rest string, m *match) bool {
	if numbers, after, ok := strings.Cut(rest, " at "); ok && strings.HasPrefix(numbers, "CPU: ") {
		cpu, pid, ok := strings.Cut(strings.TrimPrefix(numbers, "CPU: "), " PID: ")
		if !ok || !all(cpu, isDigit) || !all(pid, isDigit) {
			return false
		}
		file, function, ok := strings.Cut(after, " ")
		if !ok || strings.Contains(file, "+0x") {
			function = after
		}
		m.where, _ = readSymbol(function)
		return true
	}
	head, tail, ok := strings.Cut(" "+rest, ", CPU#")
	cpu, _, whole := strings.Cut(tail, ": ")
	i := strings.LastIndex(head, " at ")
	if !ok || !whole || !all(cpu, isDigit) || i < 0 {
		return false
	}
	m.where, ok = readSymbol(head[i+len(" at "):])
	return ok || strings.HasPrefix(head[i+len(" at "):], "0x")
}

// sanitizer: "slab-use-after-free in f+0x1/0x9 [m]".
func sanitizer(rest string, m *match) bool {
	i := strings.LastIndex(rest, " in ")
	if i >= 0 {
		m.where, _ = readSymbol(rest[i+len(" in "):])
	}
	return true
}

// undefined: "array-index-out-of-bounds in a.c:12:3".
func undefined(rest string, _ *match) bool {
	_, file, ok := strings.Cut(rest, " in ")
	return ok && strings.Contains(file, ":")
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isHex(c byte) bool { return isDigit(c) || c >= 'a' && c <= 'f' }

// all tells whether there is a byte and all are as they should be.
func all(text string, as func(byte) bool) bool {
	for i := range len(text) {
		if !as(text[i]) {
			return false
		}
	}
	return text != ""
}
