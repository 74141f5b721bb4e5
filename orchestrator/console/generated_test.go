package console

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// A dialect is how a kernel of some version and configuration prints.
type dialect struct {
	name    string
	builds  bool // build identifiers in frames
	tasks   bool // <TASK> around traces: since 5.16
	oops    bool // each oops says that it is one: since 6.10
	callers bool // who prints a message: CONFIG_PRINTK_CALLER
}

var dialects = []dialect{
	{name: "5.4"},
	{name: "5.15", builds: true},
	{name: "6.1", tasks: true},
	{name: "6.1 with callers", tasks: true, callers: true},
	{name: "6.12", tasks: true, oops: true, builds: true},
	{name: "6.18 with callers", tasks: true, oops: true, builds: true, callers: true},
}

// A writer writes the console of one crash, and keeps what is to be said of it.
type writer struct {
	*rand.Rand
	dialect
	lines []string
	want  expected
}

type expected struct{ title, kind, module, function, caller string }

func (w *writer) say(lines ...string) { w.lines = append(w.lines, lines...) }

func pick[T any](w *writer, from ...T) T { return from[w.IntN(len(from))] }

// symbol makes an address up.
func (w *writer) symbol(function, module string) string {
	s := fmt.Sprintf("%s%s+%#x/%#x", function, pick(w, "", "", ".isra.0", ".constprop.0.cold", ".llvm.123"), w.IntN(500), 500+w.IntN(500))
	if module != "" {
		s += " [" + module + "]"
	}
	return s
}

// frame makes a frame up; only those are of modules built with an identifier.
func (w *writer) frame(function, module string) string {
	s := " " + w.symbol(function, module)
	if w.builds && module != "" {
		s = strings.TrimSuffix(s, "]") + " 0123456789abcdef0123456789abcdef01234567]"
	}
	return s
}

// trace writes a trace of these frames, with words that were merely found on the stack, up to the program's
// instruction.
func (w *writer) trace(frames ...string) {
	w.say("Call Trace:")
	if w.tasks {
		w.say(" <TASK>")
	}
	for _, f := range frames {
		for w.IntN(3) == 0 {
			w.say(" ? " + w.symbol("stale", "otherk"))
		}
		w.say(f)
	}
	w.say(w.frame("do_syscall_64", ""), w.frame("entry_SYSCALL_64_after_hwframe", ""), "RIP: 0033:0x4783cb", "RAX: ffffffffffffffda RBX: 00007ffc0b967a9f")
	if w.tasks {
		w.say(" </TASK>")
	}
}

func (w *writer) registers(rip string) {
	w.say("CPU: 0 PID: 97 Comm: exec-work Tainted: G           OE      6.1.0 #1", "Hardware name: QEMU", "RIP: 0010:"+rip,
		"Code: 48 8b 04 c8 <0f> b6 08", "RSP: 0018:ffffc900001d3c10 EFLAGS: 00000246", "CR2: ffffc90000300000 CR3: 0000000004a2a000")
}

// oops writes an account of an exception, from its registers to the panic.
func (w *writer) oops(rip string, frames ...string) {
	w.registers(rip)
	w.trace(frames...)
	w.say("Modules linked in: agentk(OE) virtio", "---[ end trace 0000000000000000 ]---", "RIP: 0010:"+rip)
	w.panics(pick(w, "Fatal exception", "Fatal exception in interrupt"))
}

func (w *writer) panics(reason string) { w.say("Kernel panic - not syncing: " + reason) }

// panicTrace writes a panic and its trace, as on a console on which nothing else was shown.
func (w *writer) panicTrace(reason string, frames ...string) {
	w.panics(reason)
	w.say("CPU: 0 PID: 97 Comm: exec-work", "Hardware name: QEMU")
	w.trace(append([]string{w.frame("dump_stack_lvl", ""), w.frame("panic", "")}, frames...)...)
	w.say("Kernel Offset: disabled")
}

func (w *writer) number(trap string) string {
	if w.dialect.oops {
		trap = "Oops: " + trap
	}
	return trap + ": 0000 [#1] PREEMPT SMP NOPTI"
}

// culprit decides who is at fault: a module's function or, called by it, one of the kernel proper. It returns the
// address of the instruction and the frames above.
func (w *writer) culprit(title, kind string) (rip string, frames []string) {
	function, module := pick(w, "ff_match", "walk", "agent_load", "panicky_wait", "__schedule_scan"), pick(w, "agentk", "sensor_drv")
	above := []string{w.frame("security_file_open", ""), w.frame("other_open", "otherk"), w.frame("vfs_open", "")}
	if w.IntN(2) == 0 {
		w.want = expected{title + " in " + module + ":" + function, kind, module, function, ""}
		return w.symbol(function, module), above
	}
	helper := pick(w, "memcpy_orig", "__list_del_entry_valid_or_report", "fortify_panic", "rust_helper_BUG", "_raw_spin_lock", "strlen")
	w.want = expected{title + " in " + helper, kind, "", helper, module + ":" + function}
	return w.symbol(helper, ""), append([]string{w.frame("kernel_part", ""), w.frame(function, module)}, above...)
}

// blocked is culprit for a task that waits: its frames, what it waits in among them.
func (w *writer) blocked() []string {
	_, frames := w.culprit("task hung", TypeHungTask)
	if w.want.module != "" {
		frames = append([]string{w.frame(w.want.function, w.want.module)}, frames...)
	} else {
		helper := pick(w, "kernfs_drain", "jbd2_journal_stop", "down_the_stairs", "blk_cleanup")
		w.want.title, w.want.function = "task hung in "+helper, helper
		frames = append([]string{w.frame(helper, "")}, frames...)
	}
	for range 1 + w.IntN(4) {
		frames = append([]string{w.frame(pick(w, "bit_wait_io", "folio_wait_bit_common", "synchronize_rcu", "synchronize_rcu_expedited",
			"synchronize_srcu", "__flush_work", "kthread_stop", "call_rwsem_down_write_failed", "rwsem_down_read_slowpath", "down_write",
			"__down", "__mutex_lock", "wait_for_completion", "__wait_for_common", "io_schedule", "msleep", "cancel_delayed_work_sync",
			"rcu_barrier", "percpu_down_write", "submit_bio_wait", "futex_wait_queue", "do_nanosleep", "__lock_page"), "")}, frames...)
	}
	return append([]string{w.frame("__schedule", ""), w.frame("schedule", "")}, frames...)
}

func (w *writer) hung(frames []string) {
	w.say("INFO: task exec work:97 blocked "+pick(w, "", "in I/O wait ")+"for more than 120 seconds.", "      Tainted: G           OE      6.1.0 #1",
		`"echo 0 > /proc/sys/kernel/hung_task_timeout_secs" disables this message.`, "task:exec work       state:D stack:0     pid:97")
	w.trace(frames...)
}

// kinds are the ways to die.
var kinds = map[string]func(w *writer){
	"page fault": func(w *writer) {
		rip, frames := w.culprit("page fault", TypePageFault)
		w.say("BUG: unable to handle page fault for address: ffffc90000300000", "#PF: supervisor read access in kernel mode", "Oops: 0000 [#1] SMP")
		w.oops(rip, frames...)
	},
	"trap": func(w *writer) {
		trap := pick(w, "divide error", "invalid opcode", "general protection fault", "double fault")
		rip, frames := w.culprit(trap, strings.TrimSuffix(strings.ReplaceAll(trap, " ", "_"), "_fault"))
		if trap == "double fault" {
			w.want.kind = TypeDoubleFault
		}
		if trap == "general protection fault" {
			trap += pick(w, "", ", probably for non-canonical address 0xdead000000000100", ", maybe for address 0x0")
		}
		w.say(w.number(pick(w, trap, strings.ReplaceAll(trap, "divide ", "divide_"))))
		w.oops(rip, frames...)
	},
	"jump": func(w *writer) {
		rip, frames := w.culprit("NULL pointer dereference by a jump to a bad address", TypeNullDereference)
		if w.want.module == "" { // there is no helper: the frame of the call is the culprit
			rip, frames = w.symbol("agent_call", "agentk"), frames[2:]
			w.want = expected{"NULL pointer dereference by a jump to a bad address in agentk:agent_call", TypeNullDereference, "agentk", "agent_call", ""}
		}
		w.say("BUG: kernel NULL pointer dereference, address: 0000000000000000", "#PF: supervisor instruction fetch in kernel mode")
		helpers := []string{w.frame("__die", ""), w.frame("page_fault_oops", ""), w.frame("asm_exc_page_fault", "")}
		w.oops(pick(w, "0x0", "0xffffffffc0143020", "         (null)"), append(append(helpers, " "+rip), frames...)...)
	},
	"stack overflow": func(w *writer) {
		rip, frames := w.culprit("stack overflow", TypeStackOverflow)
		w.say("BUG: "+pick(w, "", "TASK ", "IRQ ", "#DF ")+"stack guard page was hit at 00000000a1b2c3d4 (stack is 0..0)",
			w.number(pick(w, "stack guard page", "kernel stack overflow (double-fault)")))
		var deep []string
		for range w.IntN(1500) {
			deep = append(deep, w.frame("recurse", ""))
		}
		w.oops(rip, append(deep, frames...)...)
	},
	"warning": func(w *writer) {
		rip, frames := w.culprit("warning", TypeWarning)
		w.say("------------[ cut here ]------------")
		w.say(pick(w, "WARNING: CPU: 0 PID: 97 at a.c:12 "+rip, "WARNING: CPU: 0 PID: 97 at "+rip, "WARNING: a.c:12 at "+rip+", CPU#0: demo/97",
			"WARNING: [x at y, z] a.c:12 at "+rip+", CPU#0: a at b/97", "WARNING: a.c:12 at 0x0, CPU#0: demo/97", "WARNING: at "+rip+", CPU#0: demo/97"))
		w.registers(rip)
		w.trace(frames...)
		w.say("---[ end trace 0000000000000000 ]---")
		w.panics("kernel: panic_on_warn set ...")
	},
	"sanitizer": func(w *writer) {
		rip, frames := w.culprit("warning", TypeWarning)
		if w.want.function == "memcpy_orig" { // what checks it is of the helpers: its caller is at fault
			module, function, _ := strings.Cut(w.want.caller, ":")
			w.want = expected{"warning in " + w.want.caller, TypeWarning, module, function, ""}
			rip, frames = w.symbol(function, module), frames[2:]
		}
		who := pick(w, "KASAN", "UBSAN", "KFENCE")
		inside := map[string][]string{"KASAN": {"end_report", "kasan_report", "check_memory_region", "memcpy"}, "UBSAN": {"ubsan_epilogue", "__ubsan_handle_out_of_bounds"},
			"KFENCE": {"kfence_report_error", "kfence_handle_page_fault", "exc_page_fault", "asm_exc_page_fault"}}[who]
		above := []string{w.frame("check_panic_on_warn", "")}
		for _, f := range inside {
			above = append(above, w.frame(f, ""))
		}
		w.panicTrace(who+": panic_on_warn set ...", append(append(above, " "+rip), frames...)...)
	},
	"scheduling while atomic": func(w *writer) {
		frames := w.blocked()
		w.want.title, w.want.kind = strings.Replace(w.want.title, "task hung", "warning", 1), TypeWarning
		w.panicTrace("scheduling while atomic"+pick(w, "", ": panic_on_warn set ..."), append([]string{w.frame("__schedule_bug", "")}, frames...)...)
	},
	"missing ENDBR": func(w *writer) {
		w.want = expected{"control protection in agentk:agent_hook", TypeException, "agentk", "agent_hook", ""}
		w.say(pick(w, "traps: ", "")+"Missing ENDBR: "+w.symbol("agent_hook", "agentk"), "------------[ cut here ]------------",
			"kernel BUG at arch/x86/kernel/cet.c:132!", w.number("invalid opcode"))
		w.oops(w.symbol("exc_control_protection", ""), w.frame("asm_exc_control_protection", ""), w.frame("other", "otherk"))
	},
	"hung task": func(w *writer) {
		w.hung(w.blocked())
		if w.IntN(2) == 0 {
			w.hung([]string{w.frame("__schedule", ""), w.frame("other_wait", "otherk")})
		}
		w.panics("hung_task: blocked tasks")
	},
	"hung task, waits alone": func(w *writer) {
		w.want = expected{"task hung", TypeHungTask, "", "", ""}
		w.hung([]string{w.frame("__schedule", ""), w.frame("schedule", ""), " ? " + w.symbol("ff_match", "agentk"), w.frame("kthread", "")})
		w.hung([]string{w.frame("__schedule", ""), w.frame("other_wait", "otherk")})
		w.panics("hung_task: blocked tasks")
	},
	"soft lockup": func(w *writer) {
		rip, frames := w.culprit("soft lockup", TypeSoftLockup)
		if w.IntN(2) == 0 {
			w.say("watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [exec-work:97]")
		}
		w.panicTrace("softlockup: hung tasks", append([]string{w.frame("watchdog_timer_fn", ""), w.frame("asm_sysvec_apic_timer_interrupt", ""),
			"RIP: 0010:" + rip, "Code: 48 8b"}, frames...)...)
	},
	"hard lockup": func(w *writer) {
		rip, frames := w.culprit("hard lockup", TypeHardLockup)
		w.say(pick(w, "NMI watchdog: Watchdog detected hard LOCKUP on cpu 0", "watchdog: Watchdog detected hard LOCKUP on cpu 0", "watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 0"))
		w.registers(rip)
		w.trace(frames...)
		w.panics("Hard LOCKUP")
	},
	"RCU stall": func(w *writer) {
		rip, frames := w.culprit("RCU stall", TypeRCUStall)
		w.say("rcu: INFO: rcu_preempt self-detected stall on CPU", "rcu: \t0-....: (5249 ticks this GP)")
		if w.IntN(2) == 0 {
			w.say("rcu: RCU grace-period kthread stack dump:", "task:rcu_preempt     state:R")
			w.trace(w.frame("schedule", ""), w.frame("other_wait", "otherk"))
		}
		if w.IntN(2) == 0 {
			w.say("rcu: Stack dump where RCU GP kthread last ran:", "NMI backtrace for cpu 1")
			w.registers(w.symbol("other_spin", "otherk"))
			w.trace(w.frame("other_call", "otherk"))
		}
		w.registers(rip)
		w.trace(frames...)
		w.panics("RCU Stall")
	},
	"panic": func(w *writer) {
		w.want = expected{"kernel panic: agent: self-test failed in agentk:agent_init", TypePanic, "agentk", "agent_init", ""}
		w.panicTrace("agent: self-test failed", w.frame("agent_init", "agentk"))
	},
}

// noises are what else a console shows while a kernel dies. Each is given the crash's lines, which bear stamps.
var noises = map[string]func(w *writer, lines []string) []string{
	"none": func(_ *writer, lines []string) []string { return lines },
	"CRLF": func(_ *writer, lines []string) []string {
		return mapped(lines, func(l string) string { return l + "\r" })
	},
	"colours": func(_ *writer, lines []string) []string { return mapped(lines, coloured) },
	"unfinished": func(_ *writer, lines []string) []string {
		return mapped(lines, func(l string) string { return "guest: [ 1.5] x" + l })
	},
	"programs":     among("guest: Kernel panic - not syncing: x", "RIP: 0010:other_spin+0x1/0x2 [otherk]", " other+0x1/0x2 [otherk]", replaying),
	"messages":     among("[    5.000000] agentk: RIP: 0010:x", "[    5.000000][ T5000] virtio_net: BUG: x", "[    5.000000] random: crng init done"),
	"other CPU":    among("[    5.000000][    C9] RIP: 0010:other_spin+0x1/0x2 [otherk]", "[    5.000000][    C9]  other+0x1/0x2 [otherk]", "[    5.000000][    C9]  </TASK>"),
	"replays":      replayed,
	"long silence": func(w *writer, lines []string) []string { return append(quietBoot(w, 1000), lines...) },
}

func mapped(lines []string, as func(string) string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = as(l)
	}
	return out
}

func coloured(line string) string {
	stamp, text, _ := strings.Cut(line, "] ")
	return "\x1b[32m" + stamp + "] \x1b[0m\x1b[1;33m" + text + "\x1b[0m"
}

// among puts lines in between.
func among(others ...string) func(w *writer, lines []string) []string {
	return func(w *writer, lines []string) []string {
		var out []string
		for _, l := range lines {
			out = append(out, l)
			if w.IntN(4) == 0 {
				out = append(out, pick(w, others...))
			}
		}
		return out
	}
}

// replayed cuts lines short, and prints them again.
func replayed(w *writer, lines []string) []string {
	var out []string
	for _, l := range lines {
		if _, text, _ := strings.Cut(l, "] "); w.IntN(3) == 0 && len(text) > 1 {
			out = append(out, l[:len(l)-1-w.IntN(len(text)-1)])
			if w.IntN(2) == 0 {
				out[len(out)-1] += replaying
			} else {
				out = append(out, replaying)
			}
		}
		out = append(out, l)
	}
	return out
}

// quietBoot makes up what a kernel prints that does not die.
func quietBoot(w *writer, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("[%5d.%06d] ", i/100, w.IntN(1000000))+pick(w, "Booting paravirtualized kernel on KVM",
			"pci 0000:00:1f.2: reg 0x10: [mem 0xfebd4000-0xfebd4fff]", "usb 1-1: New USB device strings: Mfr=3, Product=2, SerialNumber=1 [#1]",
			"WARNING: Spectre v2 mitigation leaves CPU vulnerable", "BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable",
			"traps: guest[123] general protection fault ip:401136 sp:7ffd1e0f5c50 error:0 in guest[401000+1000]",
			"INFO: lockdep is turned off.", "rcu: Hierarchical RCU implementation.", "NMI watchdog: Enabled. Permanently consumes one hw-PMU counter.",
			"agentk: content 12 was loaded, 34 rules", "Kernel command line: console=ttyS0 oops=panic panic_on_warn=1"))
	}
	return out
}

// stamped writes the crash's lines as the console shows them.
func (w *writer) stamped() []string {
	context := ""
	if w.callers {
		context = pick(w, "[   T97]", "[    C0]")
	}
	for i := range w.lines {
		w.lines[i] = fmt.Sprintf("[%5d.%06d]%s %s", 5, i, context, w.lines[i])
	}
	return w.lines
}

// Each kind of crash, in each dialect, among each noise, gives one report, which says what was made up.
func TestGenerated(t *testing.T) {
	for kind, write := range kinds {
		for _, d := range dialects {
			for noise, disturb := range noises {
				if noise == "other CPU" && !d.callers { // who printed what is not to be told
					continue
				}
				for seed := range uint64(4) {
					w := &writer{Rand: rand.New(rand.NewPCG(seed, 1)), dialect: d}
					write(w)
					console := strings.Join(disturb(w, w.stamped()), "\n") + "\n"
					reports := parse([]byte(console))
					if len(reports) != 1 || !reports[0].Panicked {
						t.Fatalf("%s, Linux %s, noise %s, seed %d: %d reports: %+v of\n%s", kind, d.name, noise, seed, len(reports), reports, console)
					}
					r := reports[0]
					if got := (expected{r.Title, r.Type, r.Module, r.Function, r.Caller}); got != w.want {
						t.Fatalf("%s, Linux %s, noise %s, seed %d: got %+v, want %+v, of\n%s", kind, d.name, noise, seed, got, w.want, console)
					}
				}
			}
		}
	}
}
