package console

import "strings"

// A symbol is an address as the kernel prints it: "ff_evaluate+0x1b3/0x2a0 [agentk]".
type symbol struct {
	function string // without the compiler's suffixes
	offset   string // "0x1b3/0x2a0"
	module   string // empty in the kernel proper
}

// name is the function with its module, e.g. "agentk:ff_evaluate".
func (s symbol) name() string {
	if s.module == "" {
		return s.function
	}
	return s.module + ":" + s.function
}

// readSymbol reads a whole text as an address: "f+0x1/0x9", "f+0x1/0x9 [m]", with the module's build identifier
// (CONFIG_STACKTRACE_BUILD_ID) "f+0x1/0x9 [m 0123…cdef]".
func readSymbol(text string) (symbol, bool) {
	place, module, inModule := strings.Cut(text, " [")
	if inModule {
		var ok bool
		if module, ok = strings.CutSuffix(module, "]"); !ok {
			return symbol{}, false
		}
		name, build, hasBuild := strings.Cut(module, " ")
		if name == "" || hasBuild && !all(build, isHex) || strings.ContainsAny(name, "]\t") {
			return symbol{}, false
		}
		module = name
	}
	plus := strings.IndexByte(place, '+')
	if plus < 1 || isDigit(place[0]) || !all(place[:plus], isNamed) {
		return symbol{}, false
	}
	at, size, ok := strings.Cut(place[plus+1:], "/")
	if !ok || !isNumber(at) || !isNumber(size) || len(at) > len(size) || len(at) == len(size) && at > size {
		return symbol{}, false // beyond the function's end: a part of the size is missing
	}
	return symbol{withoutSuffix(place[:plus]), place[plus+1:], module}, true
}

func isNumber(text string) bool {
	digits, ok := strings.CutPrefix(text, "0x")
	return ok && all(digits, isHex)
}

func isNamed(c byte) bool {
	return isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '.' || c == '$'
}

// withoutSuffix drops what gcc and clang append to the name of a part or a copy of a function, e.g. "f.isra.0.cold".
func withoutSuffix(function string) string {
	for i := 0; i < len(function); i++ {
		if function[i] != '.' {
			continue
		}
		switch word, _, _ := strings.Cut(function[i+1:], "."); word {
		case "isra", "constprop", "part", "cold", "llvm", "lto_priv", "__uniq":
			return function[:i]
		}
	}
	return function
}

// readFrame reads a line of a trace: " ff_evaluate+0x1b3/0x2a0 [agentk]". What was merely found on the stack (" ? f+…")
// is none.
func readFrame(text string) (symbol, bool) {
	if len(text) < 2 || text[0] != ' ' || text[1] == ' ' || text[1] == '?' || text[1] == '<' {
		return symbol{}, false
	}
	return readSymbol(text[1:])
}

// readInstruction reads "RIP: 0010:ff_evaluate+0x1b3/0x2a0 [agentk]"; no symbol for an address in no function, e.g.
// "RIP: 0010:0x0". A part of a symbol is neither. 0033 is user space.
func readInstruction(text string) (s symbol, known, ok bool) {
	address, ok := strings.CutPrefix(text, "RIP: 0010:")
	s, known = readSymbol(address)
	return s, known, ok && (known || address == "" || !isNamed(address[0]) || isDigit(address[0]))
}

// helpers are how functions begin that report a fault instead of committing it: those of panics and warnings, of
// exceptions, and of the kernel's sanitizers, which also check what the likes of memcpy are called with.
var helpers = []string{
	"panic", "vpanic", "nmi_panic", "check_panic_on_warn", "dump_stack", "show_regs", "warn", "report_bug", "handle_bug",
	"fixup_bug", "die", "oops_end", "page_fault", "no_context", "bad_area", "kernelmode_fixup_or_oops",
	"do_kern_addr_fault", "do_user_addr_fault", "do_page_fault", "do_invalid_op", "invalid_op", "do_trap", "do_error_trap",
	"exc_", "asm_exc_", "schedule_bug", "schedule_debug",
	"end_report", "print_report", "kasan_", "asan_", "check_memory_region", "kfence_", "kcsan_", "kmsan_", "msan_",
	"ubsan_", "handle_overflow", "memcpy", "memmove", "memset",
}

// entries are how functions begin that are at the bottom of each trace and say nothing.
var entries = []string{
	"do_syscall_64", "entry_SYSCALL", "entry_INT80", "do_int80", "x64_sys_call", "ret_from_fork", "kthread",
	"asm_sysvec_", "asm_common_interrupt",
}

// isHelper tells whether a frame is a helper's. A module's function never is.
func (s symbol) isHelper() bool { return s.module == "" && begins(s.function, helpers) }

// acts tells whether a frame is of a function that does something of its own.
func (s symbol) acts() bool {
	return s.module != "" || !s.isHelper() && !s.isWait() && !begins(s.function, entries)
}

// begins tells whether a function's name, without the underscores before it, begins with one of these.
func begins(function string, list []string) bool {
	function = strings.TrimLeft(function, "_")
	for _, b := range list {
		if strings.HasPrefix(function, b) {
			return true
		}
	}
	return false
}
