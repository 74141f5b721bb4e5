package libvirt

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

// local are files of this machine, in the run's work directory.
type local struct {
	work    *workdir.Dir
	account account.Account // under which QEMU runs

	mu       sync.Mutex
	overlays map[string][]byte // empty disks, by the arguments that qemu-img made them with
}

func newLocal(work *workdir.Dir, a account.Account) *local {
	return &local{work: work, account: a, overlays: map[string][]byte{}}
}

// path is where a file is that we make.
func (l *local) path(name string) string { return l.work.Ours(name) }

func (l *local) output(name string) string { return l.work.Made(name) }

func (l *local) overlay(ctx context.Context, name, format, base string, size int64) (string, error) {
	path := l.work.Ours(name)
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
		if empty, err = readFileOfAtMost(path, maxEmptyDisk); err != nil {
			return "", err
		}
		l.mu.Lock()
		l.overlays[key] = empty
		l.mu.Unlock()
	}
	// Like a disk that was made before: to start qemu-img for each host takes as long as to start its QEMU.
	return l.file(name, func(file *os.File) error { return writeSparse(file, bytes.NewReader(empty)) })
}

// file makes a file that QEMU may use, after fill has filled it, and returns its path.
func (l *local) file(name string, fill func(*os.File) error) (string, error) {
	file, err := l.work.Create(filepath.Join(workdir.OursDir, name))
	if err != nil {
		return "", fmt.Errorf("make %s: %w", l.work.Ours(name), err)
	}
	if err = fill(file); err == nil {
		err = l.account.Use(file)
	}
	return l.work.Ours(name), errors.Join(err, file.Close())
}

// copyDisk makes a file of a host that begins as another does.
func (l *local) copyDisk(name, from string) (string, error) {
	source, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer source.Close()
	return l.file(name, func(file *os.File) error { return writeSparse(file, source) })
}

// maxEmptyDisk is more than the bytes of any overlay in which nothing was written: tables for its size.
const maxEmptyDisk = 8 << 20

func (l *local) blank(_ context.Context, name string, size int64) (string, error) {
	return l.file(name, func(file *os.File) error { return file.Truncate(size) })
}

func (l *local) write(_ context.Context, name string, data []byte) (string, error) {
	return l.file(name, func(file *os.File) error {
		_, err := file.Write(data)
		return err
	})
}

func (l *local) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	var data bytes.Buffer
	err := l.fetch(ctx, name, &data, limit)
	return data.Bytes(), err
}

func (l *local) fetch(ctx context.Context, name string, to io.Writer, limit int64) error {
	file, err := l.work.OpenMade(filepath.Join(workdir.MadeDir, name), l.account)
	if err != nil {
		return err
	}
	defer file.Close()
	n, err := io.Copy(to, io.LimitReader(&cancelReader{ctx, file}, limit+1))
	if err == nil && n > limit {
		err = fmt.Errorf("%s has more than %d bytes", file.Name(), limit)
	}
	return err
}

func (l *local) remove(_ context.Context, name string) error { return l.work.RemoveFile(name) }

// removeOurs removes a file that we have made, if it is there.
func (l *local) removeOurs(name string) error { return l.work.RemoveOurs(name) }
