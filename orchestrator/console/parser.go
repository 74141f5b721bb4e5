// Package console turns the bytes of a Linux guest's serial console into reports of kernel crashes.
//
// It reads what Linux 5.x and 6.x print on x86-64 with CONFIG_PRINTK_TIME (printk.time=1): only text that follows a
// kernel timestamp counts, and only where a kernel message begins, so that programs that print words such as
// "general protection fault" or "Kernel panic" raise nothing. A process with enough privilege can still forge a whole
// kernel message; a caller that can must check a panic against another signal, such as the guest's silence.
package console

import (
	"bytes"
	"strings"
)

const (
	maxLine    = 1024 // bytes kept of a line; printk's own limit
	maxExcerpt = 120  // lines kept of a crash
	// A crash is taken as survived after so many messages in turn that belong to no account of a crash.
	maxUnrelated = 400
	// And after so many messages of any kind: no account is longer, because a stack of 64 KiB (with KASAN) has 8,192
	// words, each of which the kernel prints in one line at most, and the stacks of interrupts and exceptions are no
	// larger together.
	maxAccount = 16384
)

// A Parser is fed with a console as it comes. Its memory is bounded whatever it is fed. The zero value is ready.
type Parser struct {
	line []byte // the line that has begun, cut at maxLine
	cut  bool   // the line that has begun is longer than that
	open *crash // what is being gathered
	dead bool   // the kernel panicked: what follows is the same crash, until another kernel boots
	undo undo
}

// undo is how to take the last message back: the kernel prints a message again that was cut short.
type undo struct {
	text     string // of the last message while a crash is being gathered
	before   crash  // what was gathered before that message
	opened   bool   // that message began the crash
	survived *crash // what had been gathered, and is reported unless that message is taken back
	replayed bool   // the kernel said that it prints the message again
}

// Write takes the next bytes of the console and returns the crashes that they complete, in order.
func (p *Parser) Write(chunk []byte) []Report {
	var done []Report
	for {
		end := bytes.IndexByte(chunk, '\n')
		if end < 0 {
			break
		}
		line := chunk[:end]
		chunk = chunk[end+1:]
		if len(p.line) > 0 || len(line) > maxLine {
			p.begin(line)
			line = p.line
		}
		done = p.take(line, p.cut, done)
		p.line, p.cut = p.line[:0], false
	}
	p.begin(chunk)
	return done
}

// begin keeps a part of a line.
func (p *Parser) begin(part []byte) {
	room := maxLine - len(p.line)
	p.cut = p.cut || len(part) > room
	p.line = append(p.line, part[:min(len(part), room)]...)
}

// Flush ends the console as it stands, as when the machine stopped or was reset: it returns the crash that was being
// gathered, if any, and makes the Parser ready for the next boot.
func (p *Parser) Flush() []Report {
	done := p.take(p.line, true, nil)
	done = p.finish(p.open != nil, done)
	*p = Parser{line: p.line[:0]}
	return done
}

// Panicking tells whether the console showed a panic whose trace is not complete: it comes with the next bytes, or with
// Flush when nothing more comes.
func (p *Parser) Panicking() bool { return p.open != nil && p.open.panicked }

// take reads one line; of a line that is cut, the end is missing.
func (p *Parser) take(line []byte, cut bool, done []Report) []Report {
	r, ok := readMessage(line)
	switch {
	case !ok:
		if p.open != nil && string(bytes.TrimSpace(line)) == replaying {
			p.undo.replayed = true
		}
		return done
	case bytes.HasPrefix(r.text, []byte("Linux version ")): // another boot on the same console
		done = p.finish(p.open != nil, done)
		p.dead = false
		return done
	case p.dead, p.open == nil && !mayBegin(r.text):
		return done
	}
	m := r.message(cut)
	if strings.HasSuffix(m.text, replaying) { // the whole message follows
		return done
	}
	if p.undo.replayed {
		p.takeBack(m.text)
	}
	done = p.settle(done)
	p.undo = undo{text: m.text}
	if p.open != nil {
		p.undo.before = *p.open
	}
	return p.gather(m, done)
}

// takeBack forgets the last message, if this is the whole of what was a part of that.
func (p *Parser) takeBack(text string) {
	switch {
	case p.open == nil || !strings.HasPrefix(text, p.undo.text):
	case p.undo.opened:
		p.open, p.undo.survived = p.undo.survived, nil
	default:
		*p.open = p.undo.before
	}
}

// settle reports what the last message, which was not taken back, has ended.
func (p *Parser) settle(done []Report) []Report {
	if p.undo.survived != nil {
		done = append(done, p.undo.survived.report())
		p.undo.survived = nil
	}
	return done
}

// gather reads one message of a crash, or one that may begin a crash.
func (p *Parser) gather(m message, done []Report) []Report {
	if p.open != nil && p.open.panicked {
		p.open.trace(m)
		return p.finish(p.open.complete, done)
	}
	first, isCause := matchCause(m.text)
	reason, isPanic := strings.CutPrefix(m.text, panicPrefix)
	reason = strings.TrimLeft(reason, " ")
	another := p.open != nil && p.open.ended &&
		(isCause && !p.open.repeats(first.cause) || isPanic && !p.open.explains(reason, m))
	if another {
		p.undo.survived, p.open = p.open, nil
	}
	if p.open == nil && (isCause || isPanic) {
		p.open, p.undo.opened = &crash{began: m.since(), context: m.context}, true
	}
	if p.open == nil {
		return done
	}
	if isPanic {
		p.open.blame(m, reason)
	} else {
		p.open.take(m, first, isCause)
	}
	return p.finish(p.open.complete || p.open.exhausted(), done)
}

// finish reports the open crash if it is over.
func (p *Parser) finish(over bool, done []Report) []Report {
	if !over {
		return done
	}
	done = append(p.settle(done), p.open.report())
	p.dead = p.open.panicked
	p.open, p.undo = nil, undo{}
	return done
}
