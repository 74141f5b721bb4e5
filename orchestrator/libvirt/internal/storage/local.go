package storage

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/workdir"
)

// Local are files of this machine, in the run's work directory.
type Local struct {
	Work    *workdir.Dir
	account account.Account // under which QEMU runs

	mu       sync.Mutex
	overlays map[string][]byte // empty disks, by the arguments that qemu-img made them with
}

// NewLocal are the files of a run, whose QEMUs run as this account.
func NewLocal(work *workdir.Dir, a account.Account) *Local {
	return &Local{Work: work, account: a, overlays: map[string][]byte{}}
}

// Path is where a file is that we make.
func (l *Local) Path(name string) string { return l.Work.Ours(name) }

func (l *Local) Output(name string) string { return l.Work.Made(name) }

func (l *Local) Overlay(ctx context.Context, name, format, base string, size int64) (string, error) {
	path := l.Work.Ours(name)
	// -u does not open the base, which another host may be using; the size then has to be given.
	args := []string{"create", "-q", "-f", "qcow2", "-u", "-F", format, "-b", base}
	key := fmt.Sprint(args, size)
	l.mu.Lock()
	empty := l.overlays[key]
	l.mu.Unlock()
	if empty == nil {
		args = append(args, path, fmt.Sprint(size))
		if output, err := exec.CommandContext(ctx, "qemu-img", args...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("qemu-img: %w: %s", err, strings.TrimSpace(string(output)))
		}
		var err error
		if empty, err = ReadFileOfAtMost(path, maxEmptyDisk); err != nil {
			return "", err
		}
		l.mu.Lock()
		l.overlays[key] = empty
		l.mu.Unlock()
	}
	// Like a disk that was made before: to start qemu-img for each host takes as long as to start its QEMU.
	return l.File(name, func(file *os.File) error { return writeSparse(file, bytes.NewReader(empty)) })
}

// File makes a file that QEMU may use, after fill has filled it, and returns its path.
func (l *Local) File(name string, fill func(*os.File) error) (string, error) {
	file, err := l.Work.Create(filepath.Join(workdir.OursDir, name))
	if err != nil {
		return "", fmt.Errorf("make %s: %w", l.Work.Ours(name), err)
	}
	if err = fill(file); err == nil {
		err = l.account.Use(file)
	}
	return l.Work.Ours(name), errors.Join(err, file.Close())
}

// CopyDisk makes a file of a host that begins as another does.
func (l *Local) CopyDisk(name, from string) (string, error) {
	source, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer source.Close()
	return l.File(name, func(file *os.File) error { return writeSparse(file, source) })
}

// maxEmptyDisk is more than the bytes of any overlay in which nothing was written: tables for its size.
const maxEmptyDisk = 8 << 20

func (l *Local) Blank(_ context.Context, name string, size int64) (string, error) {
	return l.File(name, func(file *os.File) error { return file.Truncate(size) })
}

func (l *Local) Write(_ context.Context, name string, data []byte) (string, error) {
	return l.File(name, func(file *os.File) error {
		_, err := file.Write(data)
		return err
	})
}

func (l *Local) Read(ctx context.Context, name string, limit int64) ([]byte, error) {
	var data bytes.Buffer
	err := l.Fetch(ctx, name, &data, limit)
	return data.Bytes(), err
}

func (l *Local) Fetch(ctx context.Context, name string, to io.Writer, limit int64) error {
	file, err := l.Work.OpenMade(filepath.Join(workdir.MadeDir, name), l.account)
	if err != nil {
		return err
	}
	defer file.Close()
	n, err := io.Copy(to, io.LimitReader(Until(ctx, file), limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%s has more than %d bytes", file.Name(), limit)
	}
	return err
}

func (l *Local) Remove(_ context.Context, name string) error { return l.Work.RemoveFile(name) }

// RemoveOurs removes a file that we have made, if it is there.
func (l *Local) RemoveOurs(name string) error { return l.Work.RemoveOurs(name) }

// ReadFileOfAtMost reads a whole file that has no reason to be larger.
func ReadFileOfAtMost(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return data, err
}
