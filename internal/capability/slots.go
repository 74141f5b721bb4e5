package capability

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/orchestrator/admission"
)

// Tests that boot VMs take a slot each, over all test processes of this checkout: as many at a time as the machine
// has CPUs, and memory for. So packages can be tested side by side, and a test that waits for one VM leaves no CPU
// idle.

// slotMemory is more than the bytes of memory that the VMs of one test take, and the programs that it builds.
const slotMemory = 4 << 30

// slotsEnv has another number of slots: 1 runs such tests one after the other.
const slotsEnv = "FLEETFALL_VM_SLOTS"

// held are the slots of this process, by the name of the test that has one or waits for it.
var held struct {
	sync.Mutex
	by map[string]chan struct{} // closed when it is there
}

// takeSlot waits for a slot, which the test has until its end. Its subtests share it.
func takeSlot(t testing.TB) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	held.Lock()
	there, known := held.by[name]
	if !known {
		if held.by == nil {
			held.by = map[string]chan struct{}{}
		}
		there = make(chan struct{})
		held.by[name] = there
	}
	held.Unlock()
	if known {
		<-there
		return
	}
	file, err := lockSlot(slots())
	close(there)
	t.Cleanup(func() {
		held.Lock()
		defer held.Unlock()
		delete(held.by, name)
		if err == nil {
			_ = file.Close() // which lets go of it
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// slots is how many there are.
func slots() int {
	if n, err := strconv.Atoi(os.Getenv(slotsEnv)); err == nil && n > 0 {
		return n
	}
	n := runtime.NumCPU()
	if m, err := admission.ThisMachine(); err == nil {
		n = min(n, int(m.Total/slotMemory))
	}
	return max(1, n)
}

// lockSlot locks one of n slots, as soon as one is free. They are bytes of go.mod, which nobody else locks in this
// way and which is there: a process that is killed lets go of its slot, and none leaves a file.
func lockSlot(n int) (*os.File, error) {
	path, err := moduleFile()
	if err != nil {
		return nil, err
	}
	type got struct {
		file *os.File
		err  error
	}
	locked := make(chan got)
	enough := make(chan struct{})
	for i := range n {
		go func() {
			file, err := lockByte(path, int64(i))
			select {
			case locked <- got{file, err}:
			case <-enough: // another slot was free before
				if err == nil {
					_ = file.Close()
				}
			}
		}()
	}
	first := <-locked
	close(enough)
	return first.file, first.err
}

// lockByte waits until a byte of a file is locked by the returned file alone.
func lockByte(path string, at int64) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK, Start: at, Len: 1}
	for {
		err := unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLKW, &lock)
		if err == nil {
			return file, nil
		}
		if err != unix.EINTR {
			_ = file.Close()
			return nil, fmt.Errorf("wait for a slot: %w", err)
		}
	}
}

// moduleFile is the go.mod of the package that is tested.
func moduleFile() (string, error) {
	dir, err := os.Getwd()
	for err == nil {
		path := filepath.Join(dir, "go.mod")
		if _, err = os.Stat(path); err == nil {
			return path, nil
		}
		if dir == filepath.Dir(dir) {
			break
		}
		dir, err = filepath.Dir(dir), nil
	}
	return "", fmt.Errorf("look for go.mod: %w", err)
}
