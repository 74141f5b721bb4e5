package qemu

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// libvirt leaves each QEMU to the first process that cares for orphans. For VMs of a private daemon that is this
// process: it learns how a QEMU ended, which tells a kill from a failure, and takes it away at once. The first
// process of a container may take seconds, for which libvirt believes that the VM still runs.
type reaper struct {
	once sync.Once
	err  error

	mu    sync.Mutex
	alive map[int]bool               // process numbers of QEMUs that run, as far as is known
	ended map[int]syscall.WaitStatus // and of those that have ended and were not forgotten
}

var Orphans = reaper{alive: map[int]bool{}, ended: map[int]syscall.WaitStatus{}}

// Adopt has this process inherit the QEMUs of daemons that it starts from now on, for as long as it lives.
func (r *reaper) Adopt() error {
	r.once.Do(func() {
		if r.err = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); r.err != nil {
			r.err = fmt.Errorf("inherit orphans: %w", r.err)
			return
		}
		died := make(chan os.Signal, 1)
		signal.Notify(died, syscall.SIGCHLD)
		go func() {
			for range died {
				if r.Reap() == 0 {
					r.sweep()
				}
			}
		}()
	})
	return r.err
}

// Follow says that this process number is that of a QEMU, and returns it if it is one of a child of this process,
// else 0: only of a child is it sure that the number stays its own until it was waited for.
func (r *reaper) Follow(pid int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if pid == 0 || !isQEMU(pid, os.Getpid(), "") {
		return 0
	}
	r.alive[pid] = true
	return pid
}

// Kill ends a QEMU that was followed and runs, and tells whether it was. What is nobody's any more is left alone: its
// number may be another's.
func (r *reaper) Kill(pid int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.alive[pid] && syscall.Kill(pid, syscall.SIGKILL) == nil // else libvirt has to end it, and will
}

// Reap takes away every QEMU that was followed and has ended, and returns how many. Other children are waited for by
// who started them.
func (r *reaper) Reap() (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for pid := range r.alive {
		var status syscall.WaitStatus
		if got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil); err == nil && got == pid {
			delete(r.alive, pid)
			r.ended[pid] = status
			n++
		}
	}
	return n
}

// sweep takes away QEMUs that have ended and nobody has followed: those that a daemon has asked what they can do, and
// waits for.
func (r *reaper) sweep() {
	for _, pid := range deadChildren() {
		r.mu.Lock()
		if !r.alive[pid] {
			_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
		}
		r.mu.Unlock()
	}
}

// deadChildren lists QEMUs that are children of this process and have ended.
func deadChildren() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var dead []int
	for _, e := range entries {
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err == nil && isQEMU(pid, os.Getpid(), "Z") {
			dead = append(dead, pid)
		}
	}
	return dead
}

// isQEMU tells whether a process is a QEMU, a child of parent and in this state of proc(5); any state if that is "".
func isQEMU(pid, parent int, state string) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	name, rest, ok := cutLast(string(text), ")")
	if !ok || !strings.Contains(name, "(qemu-system-") {
		return false
	}
	var is string
	var of int
	n, err := fmt.Sscan(rest, &is, &of)
	return n == 2 && err == nil && of == parent && (state == "" || is == state)
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// How tells how a QEMU ended, if it was ours and has.
func (r *reaper) How(pid int) (syscall.WaitStatus, bool) {
	r.Reap()
	r.mu.Lock()
	defer r.mu.Unlock()
	status, ok := r.ended[pid]
	return status, ok
}

// Forget is called when nobody asks any more how a QEMU ended.
func (r *reaper) Forget(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ended, pid)
	delete(r.alive, pid)
}
