package libvirt

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// libvirt leaves each QEMU to the first process that cares for orphans. For VMs of a private daemon that is this process:
// it learns how a QEMU ended, which tells a kill from a failure, and takes it away at once. The first process of a
// container may take seconds, for which libvirt believes that the VM still runs.
type reaper struct {
	once sync.Once
	err  error

	mu    sync.Mutex
	ended map[int]syscall.WaitStatus // by process number
}

var orphans = reaper{ended: map[int]syscall.WaitStatus{}}

// adopt has this process inherit the QEMUs of daemons that it starts from now on, for as long as it lives.
func (r *reaper) adopt() error {
	r.once.Do(func() {
		if r.err = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); r.err != nil {
			r.err = fmt.Errorf("inherit orphans: %w", r.err)
			return
		}
		died := make(chan os.Signal, 1)
		signal.Notify(died, syscall.SIGCHLD)
		go func() {
			for range died {
				r.reap()
			}
		}()
	})
	return r.err
}

// reap takes away every QEMU that has ended. Other children are waited for by who started them.
func (r *reaper) reap() {
	for _, pid := range deadChildren() {
		r.mu.Lock()
		var status syscall.WaitStatus
		if got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil); err == nil && got == pid {
			r.ended[pid] = status
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
		var pid, parent int
		var state byte
		if _, err := fmt.Sscan(e.Name(), &pid); err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		name, rest, ok := cutLast(string(text), ")")
		if !ok || !strings.Contains(name, "(qemu-system-") {
			continue
		}
		if n, err := fmt.Sscanf(rest, " %c %d", &state, &parent); n == 2 && err == nil && state == 'Z' && parent == os.Getpid() {
			dead = append(dead, pid)
		}
	}
	return dead
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// how tells how a QEMU ended, if it was ours and has.
func (r *reaper) how(pid int) (syscall.WaitStatus, bool) {
	r.reap()
	r.mu.Lock()
	defer r.mu.Unlock()
	status, ok := r.ended[pid]
	return status, ok
}

// forget is called when nobody asks any more how a QEMU ended.
func (r *reaper) forget(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ended, pid)
}
