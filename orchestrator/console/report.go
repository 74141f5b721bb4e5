package console

import (
	"regexp"
	"strings"
	"time"
	"unicode"
)

// A Report is one crash: everything from the line that says what happened to the panic that ends it.
type Report struct {
	Title    string   // one line without addresses, pids and numbers of CPUs, e.g. "page fault in agentk:ff_evaluate"
	Type     string   // one of the Type constants
	Module   string   // of the faulting instruction; empty when in the kernel proper or unknown
	Function string   // of the faulting instruction, without the compiler's suffixes; empty when unknown
	Offset   string   // of the faulting instruction within Function and Function's size, e.g. "0x1b3/0x2a0"
	Caller   string   // whose call it was, where Function is in no module: the trace's first in one, e.g. "agentk:ff_load"
	Excerpt  []string // the lines it was parsed from, printable, at most maxExcerpt
	Panicked bool     // the kernel gave up; false for what it survived, e.g. an oops without oops=panic

	At time.Duration // the kernel's own stamp of the first line: when it went wrong, before the kernel printed all that
}

// Types of crash.
const (
	TypePageFault         = "page_fault"
	TypeNullDereference   = "null_deref"
	TypeGeneralProtection = "general_protection"
	TypeDivideError       = "divide_error"
	TypeInvalidOpcode     = "invalid_opcode"
	TypeBug               = "bug" // BUG() and BUG_ON()
	TypeDoubleFault       = "double_fault"
	TypeStackOverflow     = "stack_overflow"
	TypeSoftLockup        = "soft_lockup"
	TypeHardLockup        = "hard_lockup"
	TypeHungTask          = "hung_task"
	TypeRCUStall          = "rcu_stall"
	TypeOutOfMemory       = "oom"
	TypeNoInit            = "no_init"
	TypeNoRoot            = "no_root"     // the root file system could not be mounted
	TypeInitKilled        = "init_killed" // PID 1 ended
	TypeWarning           = "warning"     // with panic_on_warn; what a sanitizer of the kernel reports is one, too
	TypeSysrq             = "sysrq"
	TypeException         = "exception" // another trap of the CPU
	TypePanic             = "panic"     // any other panic
	TypeUnknown           = "unknown"   // nothing on the console says why; never reported by a Parser
)

func (c *crash) report() Report {
	if c.panicked && len(c.excerpt) == maxExcerpt { // the last line is the panic's: it stays
		c.excerpt[maxExcerpt-1] = printable(panicPrefix + " " + c.reason)
	}
	title := c.title
	if c.bug != "" {
		title += " at " + printable(c.bug)
	}
	if c.badJump {
		title += " by a jump to a bad address"
	}
	if c.at.function != "" {
		title += " in " + c.at.name()
	}
	return Report{
		Title: title, Type: c.kind, Module: c.at.module, Function: c.at.function, Offset: c.at.offset, Caller: c.caller,
		Excerpt: c.excerpt, Panicked: c.panicked, At: c.began,
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

// printable makes a line of a guest fit for logs and reports.
func printable(line string) string {
	line = strings.TrimRight(line, " \r\t")
	if all(line, func(c byte) bool { return c >= ' ' && c <= '~' }) {
		return line
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t':
			return ' '
		case r == '\r':
			return -1
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, line)
}
