package console

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// A message is one line of the kernel's log.
type message struct {
	line    string // as printed, without colours
	text    string // what follows the stamp, without blanks at its end
	stamp   string // e.g. "1.234567", seconds since the kernel started
	context string // what printed it: a task or a CPU, e.g. "T97", "C0"; empty without CONFIG_PRINTK_CALLER
	cut     bool   // the line's end is missing
}

// raw is a message in the console's bytes: most messages are of no crash, and are not worth a copy.
type raw struct {
	line, text     []byte
	start          int // of the text in the line
	stamp, context span
}

// A span is a part of a line.
type span struct{ from, to int }

func (r raw) message(cut bool) message {
	line := string(r.line)
	part := func(s span) string { return line[s.from:s.to] }
	return message{line, part(span{r.start, r.start + len(r.text)}), part(r.stamp), part(r.context), cut}
}

// readMessage reads the last kernel message of a line: what follows "[    1.234567] " or, with the caller's ID,
// "[    1.234567][    T1] ". The last, because a program may have left its own line unfinished before it.
func readMessage(line []byte) (m raw, ok bool) {
	line = withoutColours(line)
	for i := 0; ; {
		next := bytes.IndexByte(line[i:], '[')
		if next < 0 {
			break
		}
		i += next
		stamp, context, text := readStamp(line, i)
		if text == 0 {
			i++
			continue
		}
		m, ok = raw{line, line[text:], text, stamp, context}, true
		i = text
	}
	m.text = bytes.TrimRight(m.text, " \r\t")
	return m, ok
}

// readStamp reads a stamp that begins with the bracket at start, and tells where the text begins; 0 when it is none.
func readStamp(line []byte, start int) (stamp, context span, text int) {
	i := skipSpaces(line, start+1)
	seconds := i
	i = skipDigits(line, i)
	if i == seconds || at(line, i) != '.' {
		return span{}, span{}, 0
	}
	micros := i + 1
	if i = skipDigits(line, micros); i-micros != 6 || at(line, i) != ']' {
		return span{}, span{}, 0
	}
	stamp = span{seconds, i}
	i++
	if at(line, i) == '[' {
		id := skipSpaces(line, i+1)
		if c := at(line, id); c != 'T' && c != 'C' {
			return span{}, span{}, 0
		}
		i = skipDigits(line, id+1)
		if i == id+1 || at(line, i) != ']' {
			return span{}, span{}, 0
		}
		context = span{id, i}
		i++
	}
	if at(line, i) != ' ' {
		return span{}, span{}, 0
	}
	return stamp, context, i + 1
}

// at is the byte there, or 0 beyond the end.
func at(line []byte, i int) byte {
	if i < len(line) {
		return line[i]
	}
	return 0
}

func skipSpaces(line []byte, i int) int {
	for at(line, i) == ' ' {
		i++
	}
	return i
}

func skipDigits(line []byte, i int) int {
	for c := at(line, i); c >= '0' && c <= '9'; c = at(line, i) {
		i++
	}
	return i
}

// since is the stamp since the kernel started.
func (m message) since() time.Duration {
	whole, part, _ := strings.Cut(m.stamp, ".")
	seconds, err := strconv.ParseInt(whole, 10, 32)
	if err != nil { // no kernel has run that long
		return 0
	}
	micros, _ := strconv.ParseInt(part, 10, 32) // has six digits
	return time.Duration(seconds)*time.Second + time.Duration(micros)*time.Microsecond
}

// withoutColours returns the line without what terminals are told in it: ESC [ parameters letter.
func withoutColours(line []byte) []byte {
	if bytes.IndexByte(line, '\x1b') < 0 {
		return line
	}
	plain := make([]byte, 0, len(line))
	for i := 0; i < len(line); i++ {
		if line[i] != '\x1b' || at(line, i+1) != '[' {
			plain = append(plain, line[i])
			continue
		}
		for i += 2; i < len(line) && line[i] >= ' ' && line[i] < '@'; i++ {
		}
	}
	return plain
}

// replaying is what a kernel prints before it repeats a message in the midst of which another CPU took the console.
const replaying = "** replaying previous printk message **"
