package admission

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/fleetfall/fleetfall/internal/process"
)

// A Promise is memory of this machine that a run will take. A run takes it bit by bit as its hosts come up, so what is
// available in between is more than what is free.
type Promise struct {
	Run     string     `json:"run"`
	Process process.ID `json:"process"` // that runs it
	BootID  string     `json:"boot_id"` // of the machine's kernel
	Bytes   int64      `json:"bytes"`
	Used    int64      `json:"-"` // bytes of it that the run's processes have now
}

// unused is what the run has not yet taken, in bytes.
func (p Promise) unused() int64 { return max(0, p.Bytes-p.Used) }

// A Ledger is a directory with the promises of one user's runs on this machine, one file each. A run has the lock while
// it looks at what others have promised, decides, and promises itself. A promise ends with the process that made it.
//
// A file that is damaged, or of another user, is neither counted nor removed.
type Ledger struct {
	Dir string // is made when it is not there, and goes with the last promise
}

const (
	lockFile     = "lock"
	promiseFile  = ".json"
	freshFile    = ".new"  // a promise that is being written
	mostBytes    = 1 << 50 // of a promise; a petabyte
	mostFileSize = 1 << 16
)

var validRun = regexp.MustCompile(`^[a-z0-9]{1,32}$`)

// Reserve promises as many bytes as admit says to a run, in the place of what the run had promised before. Admit is
// told what other runs have promised and must look at the available memory itself: nobody else promises any meanwhile.
// Its error is returned as it is, and nothing is promised then. Ctx bounds the wait for the lock.
func (l Ledger) Reserve(ctx context.Context, run string, admit func(others []Promise) (bytes int64, err error)) error {
	mine := Promise{Run: run, BootID: process.MachineBoot()}
	if !validRun.MatchString(run) {
		return fmt.Errorf("promise memory: run ID %q: want at most 32 lower-case letters and digits", run)
	}
	if mine.BootID == "" {
		return errors.New("promise memory: the machine does not tell its boot ID")
	}
	var err error
	if mine.Process, err = process.LookUp(os.Getpid()); err != nil {
		return fmt.Errorf("promise memory: %w", err)
	}
	return l.locked(ctx, func() error {
		promised, err := l.read()
		if err != nil {
			return err
		}
		var others []Promise
		for _, p := range promised {
			if p.Run != run {
				others = append(others, p)
			} else if p.Process != mine.Process {
				return fmt.Errorf("promise memory: run %s is run by process %d already", run, p.Process.PID)
			}
		}
		if err := measure(others); err != nil {
			return fmt.Errorf("promise memory: %w", err)
		}
		if mine.Bytes, err = admit(others); err != nil {
			return err
		}
		if mine.Bytes < 0 || mine.Bytes > mostBytes {
			return fmt.Errorf("promise memory: %d bytes", mine.Bytes)
		}
		return l.write(mine)
	})
}

// Release takes a run's promise back, if it has one.
func (l Ledger) Release(ctx context.Context, run string) error {
	if !validRun.MatchString(run) {
		return fmt.Errorf("release memory: run ID %q", run)
	}
	return l.lockedIfThere(ctx, func() error { return l.remove(run + promiseFile) })
}

// Collect removes the promises of processes that are gone. Reserve does so too: this is for when nobody reserves again.
func (l Ledger) Collect(ctx context.Context) error {
	return l.lockedIfThere(ctx, func() error {
		_, err := l.read()
		return err
	})
}

// read returns the promises of living processes, sorted by run, and removes our own dead ones.
func (l Ledger) read() (living []Promise, err error) {
	entries, err := os.ReadDir(l.Dir)
	if err != nil {
		return nil, fmt.Errorf("read promises of memory: %w", err)
	}
	boot := process.MachineBoot()
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), freshFile) {
			// Whoever wrote it had the lock that we have now, and is gone.
			err = errors.Join(err, l.remove(e.Name()))
			continue
		}
		run, isPromise := strings.CutSuffix(e.Name(), promiseFile)
		if !isPromise {
			continue
		}
		text, ours := l.file(e.Name())
		p, parseErr := parsePromise(text)
		if !ours || parseErr != nil || p.Run != run {
			continue
		}
		if p.BootID == boot && p.Process.Alive() {
			living = append(living, p)
		} else {
			err = errors.Join(err, l.remove(e.Name()))
		}
	}
	return living, err
}

// file returns the beginning of a file, and whether it is a plain file of this user.
func (l Ledger) file(name string) (text []byte, ours bool) {
	// Not to wait for a pipe's other end, nor to follow a link to elsewhere.
	f, err := os.OpenFile(filepath.Join(l.Dir, name), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, false
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || !isOurs(info) {
		return nil, false
	}
	text, err = io.ReadAll(io.LimitReader(f, mostFileSize))
	return text, err == nil
}

func isOurs(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == os.Getuid()
}

// remove removes a file of this user's.
func (l Ledger) remove(name string) error {
	path := filepath.Join(l.Dir, name)
	info, err := os.Lstat(path)
	if err == nil && info.Mode().IsRegular() && isOurs(info) {
		err = os.Remove(path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a promise of memory: %w", err)
	}
	return nil
}

func (l Ledger) write(p Promise) error {
	text, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("promise memory: %w", err)
	}
	path := filepath.Join(l.Dir, p.Run+promiseFile)
	if err := os.WriteFile(path+freshFile, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("promise memory: %w", errors.Join(err, l.remove(p.Run+promiseFile+freshFile)))
	}
	if err := os.Rename(path+freshFile, path); err != nil {
		return fmt.Errorf("promise memory: %w", err)
	}
	return nil
}

// parsePromise reads a promise's file. Fields that it does not know are a later version's.
func parsePromise(text []byte) (Promise, error) {
	var p Promise
	if err := json.Unmarshal(text, &p); err != nil {
		return Promise{}, fmt.Errorf("promise of memory: %w", err)
	}
	if !validRun.MatchString(p.Run) || p.Process.PID <= 0 || p.Process.Start == 0 || p.BootID == "" || p.Bytes < 0 || p.Bytes > mostBytes {
		return Promise{}, fmt.Errorf("promise of memory: %q is not whole", text)
	}
	return p, nil
}
