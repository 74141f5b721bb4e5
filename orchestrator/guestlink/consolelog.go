package guestlink

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/fleetfall/fleetfall/orchestrator/console"
)

const (
	maxConsole = 8 << 20 // bytes kept of a host's console over all of its boots
	maxTail    = 2 << 10 // bytes kept in memory, for a boot that failed
)

// A ConsoleLog reads a VM's serial console: it keeps the text in a file, of bounded length, and looks for crashes.
type ConsoleLog struct {
	mu     sync.Mutex
	file   *os.File // nil when nothing is kept
	size   int64
	parser console.Parser
	tail   []byte
}

// OpenConsoleLog appends to <dir>/<host>/console.log; an empty dir keeps no file.
func OpenConsoleLog(dir, host string) (*ConsoleLog, error) {
	c := &ConsoleLog{}
	if dir == "" {
		return c, nil
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
	c.file, c.size = file, info.Size()
	return c, nil
}

// Take takes in what the console printed. It returns the crashes that this completes, and whether a panic has begun
// whose trace is still to come.
func (c *ConsoleLog) Take(chunk []byte) (reports []console.Report, begun bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tail = append(c.tail, chunk...)
	if over := len(c.tail) - maxTail; over > 0 {
		c.tail = append(c.tail[:0], c.tail[over:]...)
	}
	before := c.parser.Panicking()
	reports = c.parser.Write(chunk)
	return reports, c.parser.Panicking() && (!before || len(reports) > 0), c.keep(chunk)
}

func (c *ConsoleLog) keep(chunk []byte) error {
	if c.file == nil || c.size >= maxConsole {
		return nil
	}
	if room := maxConsole - c.size; int64(len(chunk)) >= room {
		chunk = append(bytes.Clone(chunk[:room]), "\n[fleetfall: the console goes on; no more of it is kept]\n"...)
	}
	c.size += int64(len(chunk))
	if _, err := c.file.Write(chunk); err != nil {
		err = errors.Join(err, c.file.Close())
		c.file = nil // said once, not with every line
		return fmt.Errorf("no more of the console is kept: %w", err)
	}
	return nil
}

// Restart marks the beginning of a boot: what was being parsed is over.
func (c *ConsoleLog) Restart(note string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parser.Flush()
	c.tail = c.tail[:0]
	return c.keep([]byte("[fleetfall: " + note + "]\n"))
}

// Gap marks that the console was cut, and that what it showed meanwhile is lost: what was being parsed ends there. It
// returns the crashes that this completes.
func (c *ConsoleLog) Gap() ([]console.Report, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	const note = "\n[fleetfall: the console was cut for a time, and what it showed then is lost]\n"
	return c.parser.Flush(), c.keep([]byte(note))
}

// Settle ends what is being parsed, as when the guest stands still, and returns the crashes that this completes. The
// parser then looks for crashes again, also after one that turned out to be made up.
func (c *ConsoleLog) Settle() []console.Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parser.Flush()
}

func (c *ConsoleLog) Panicking() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parser.Panicking()
}

// End is what the console printed last in this boot.
func (c *ConsoleLog) End() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Printable(string(c.tail))
}

func (c *ConsoleLog) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.file == nil {
		return nil
	}
	return c.file.Close()
}

// ReadConsole reads r to its end, giving each piece to take, and returns why it ended: io.EOF when QEMU did.
func ReadConsole(r io.Reader, take func([]byte)) error {
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
