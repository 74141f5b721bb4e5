// Package console turns the bytes of a Linux guest's serial console into reports of kernel crashes.
//
// It reads what Linux 5.x and 6.x print on x86-64 with CONFIG_PRINTK_TIME (printk.time=1): only text that follows a
// kernel timestamp counts, and only where a kernel message begins, so that programs that print words such as
// "general protection fault" or "Kernel panic" raise nothing. A process with enough privilege can still forge a whole
// kernel message; a caller that can must check a panic against another signal, such as the guest's silence.
package console

import (
	"bytes"
	"strconv"
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
	TypeWarning           = "warning"     // with panic_on_warn
	TypeSysrq             = "sysrq"
	TypeException         = "exception" // another trap of the CPU
	TypePanic             = "panic"     // any other panic
	TypeUnknown           = "unknown"   // nothing on the console says why; never reported by a Parser
)

const (
	maxLine    = 1024 // bytes kept of a line; printk's own limit
	maxExcerpt = 120  // lines kept of a crash
	maxOpen    = 400  // kernel lines after which a crash that was not followed by a panic is taken as survived
)

// A Parser is fed with a console as it comes. Its memory is bounded whatever it is fed. The zero value is ready.
type Parser struct {
	line []byte // the line that has begun, cut at maxLine
	open *crash // what is being gathered
	dead bool   // the kernel panicked: what follows is the same crash, until another kernel boots
}

// Write takes the next bytes of the console and returns the crashes that they complete, in order.
func (p *Parser) Write(chunk []byte) []Report {
	var done []Report
	for len(chunk) > 0 {
		end := bytes.IndexByte(chunk, '\n')
		part := chunk
		if end >= 0 {
			part = chunk[:end]
		}
		p.line = append(p.line, part[:min(len(part), maxLine-len(p.line))]...)
		if end < 0 {
			break
		}
		chunk = chunk[end+1:]
		done = p.take(string(p.line), done)
		p.line = p.line[:0]
	}
	return done
}

// Flush ends the console as it stands, as when the machine stopped or was reset: it returns the crash that was being
// gathered, if any, and makes the Parser ready for the next boot.
func (p *Parser) Flush() []Report {
	done := p.take(string(p.line), nil)
	done = p.finish(p.open != nil, done)
	*p = Parser{line: p.line[:0]}
	return done
}

// Panicking tells whether the console showed a panic whose trace is not complete: it comes with the next bytes, or with
// Flush when nothing more comes.
func (p *Parser) Panicking() bool { return p.open != nil && p.open.panicked }

// Parse reads a whole console.
func Parse(console []byte) []Report {
	var p Parser
	return append(p.Write(console), p.Flush()...)
}

func (p *Parser) take(line string, done []Report) []Report {
	text, ok := kernelText(line)
	if !ok {
		return done
	}
	if strings.HasPrefix(text, "Linux version ") { // another boot on the same console
		done = p.finish(p.open != nil, done)
		p.dead = false
		return done
	}
	if p.dead {
		return done
	}
	if p.open != nil && p.open.panicked {
		p.open.trace(line, text)
		return p.finish(p.open.complete, done)
	}
	what, isCause := matchCause(text)
	reason, isPanic := strings.CutPrefix(text, "Kernel panic - not syncing: ")
	if p.open != nil && p.open.ended && (isCause && !p.open.repeats(what) || isPanic && !p.open.explains(reason, stamp(line))) {
		done = p.finish(true, done)
	}
	if p.open == nil && (isCause || isPanic) {
		p.open = &crash{at: stamp(line)}
	}
	if p.open == nil {
		return done
	}
	p.open.take(line, text, what, isCause)
	if isPanic {
		p.open.blame(reason)
	}
	return p.finish(p.open.complete || p.open.lines >= maxOpen, done)
}

// finish reports the open crash if it is over.
func (p *Parser) finish(over bool, done []Report) []Report {
	if !over {
		return done
	}
	done = append(done, p.open.report())
	p.dead = p.open.panicked
	p.open = nil
	return done
}

// kernelText returns what follows the last kernel timestamp of the line: "[    1.234567] " or, with the caller's ID,
// "[    1.234567][    T1] ". The last, because a program may have left its own line unfinished before it.
func kernelText(line string) (string, bool) {
	all := timestamp.FindAllStringIndex(line, -1)
	if all == nil {
		return "", false
	}
	return strings.TrimRight(line[all[len(all)-1][1]:], " \r\t"), true
}

// stamp returns the last kernel timestamp of a line that has one.
func stamp(line string) time.Duration {
	all := timestamp.FindAllStringSubmatch(line, -1)
	last := all[len(all)-1]
	seconds, err := strconv.ParseInt(last[1], 10, 32)
	if err != nil { // no kernel has run that long
		return 0
	}
	micros, _ := strconv.ParseInt(last[2], 10, 32) // has six digits
	return time.Duration(seconds)*time.Second + time.Duration(micros)*time.Microsecond
}

// printable makes a line of a guest fit for logs and reports.
func printable(line string) string {
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
	}, strings.TrimRight(line, " \r\t"))
}
