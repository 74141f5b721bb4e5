package libvirt

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"unicode"

	"github.com/fleetfall/fleetfall/orchestrator/console"
)

const (
	maxConsole = 8 << 20 // bytes kept of a host's console over all of its boots
	maxTail    = 2 << 10 // bytes kept in memory, for a boot that failed
)

// A serialLog reads a VM's serial console: it keeps the text in a file, of bounded length, and looks for crashes.
type serialLog struct {
	mu     sync.Mutex
	file   *os.File // nil when nothing is kept
	size   int64
	parser console.Parser
	tail   []byte
}

// openSerialLog appends to <dir>/<host>/console.log; an empty dir keeps no file.
func openSerialLog(dir, host string) (*serialLog, error) {
	s := &serialLog{}
	if dir == "" {
		return s, nil
	}
	path := filepath.Join(dir, host, "console.log")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("console of %s: %w", host, err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("console of %s: %w", host, err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("console of %s: %w", host, err), file.Close())
	}
	s.file, s.size = file, info.Size()
	return s, nil
}

// take takes in what the console printed. It returns the crashes that this completes, and whether a panic has begun
// whose trace is still to come.
func (s *serialLog) take(chunk []byte) (reports []console.Report, begun bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tail = append(s.tail, chunk...)
	if over := len(s.tail) - maxTail; over > 0 {
		s.tail = append(s.tail[:0], s.tail[over:]...)
	}
	before := s.parser.Panicking()
	reports = s.parser.Write(chunk)
	return reports, s.parser.Panicking() && (!before || len(reports) > 0), s.keep(chunk)
}

func (s *serialLog) keep(chunk []byte) error {
	if s.file == nil || s.size >= maxConsole {
		return nil
	}
	if room := maxConsole - s.size; int64(len(chunk)) >= room {
		chunk = append(bytes.Clone(chunk[:room]), "\n[fleetfall: the console goes on; no more of it is kept]\n"...)
	}
	s.size += int64(len(chunk))
	if _, err := s.file.Write(chunk); err != nil {
		err = errors.Join(err, s.file.Close())
		s.file = nil // said once, not with every line
		return fmt.Errorf("no more of the console is kept: %w", err)
	}
	return nil
}

// restart marks the beginning of a boot: what was being parsed is over.
func (s *serialLog) restart(note string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parser.Flush()
	s.tail = s.tail[:0]
	return s.keep([]byte("[fleetfall: " + note + "]\n"))
}

// gap marks that the console was cut, and that what it showed meanwhile is lost: what was being parsed ends there. It returns the
// crashes that this completes.
func (s *serialLog) gap() ([]console.Report, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parser.Flush(), s.keep([]byte("\n[fleetfall: the console was cut for a time, and what it showed then is lost]\n"))
}

// settle ends what is being parsed, as when the guest stands still, and returns the crashes that this completes. The
// parser then looks for crashes again, also after one that turned out to be made up.
func (s *serialLog) settle() []console.Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parser.Flush()
}

func (s *serialLog) panicking() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.parser.Panicking()
}

// end is what the console printed last in this boot.
func (s *serialLog) end() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return printable(string(s.tail))
}

func (s *serialLog) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// readConsole reads r to its end, giving each piece to take, and returns why it ended: io.EOF when QEMU did.
func readConsole(r io.Reader, take func([]byte)) error {
	buffer := make([]byte, 16<<10)
	for {
		n, err := r.Read(buffer)
		if n > 0 {
			take(buffer[:n])
		}
		if err != nil {
			return err
		}
	}
}

// printable makes a guest's text fit for journals and terminals: lines stay, control characters do not.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\r':
			return -1
		case r == unicode.ReplacementChar || !unicode.IsPrint(r):
			return '?'
		}
		return r
	}, text)
}

// clip is the beginning of a guest's text, printable and of at most n bytes.
func clip(text string, n int) string {
	if len(text) > n {
		text = text[:n] + "…"
	}
	return printable(strings.ToValidUTF8(text, "?"))
}
