package mailbox

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
)

// A pipe is the console of a machine on the virtual clock. On a socket a kernel that prints waits, in its own time,
// for us to read: some 200 characters fill it, because each is a message. A pipe takes a whole crash, so that a
// kernel prints as fast on a busy machine as on an idle one.
const pipeSize = 1 << 20 // bytes, which any user may ask for

// makePipe makes what a QEMU of this account opens as a pipe of this name, see its documentation of -chardev pipe.
// Nobody else may read or write there.
func makePipe(path string, a account.Account) error {
	for _, end := range pipeEnds(path) {
		if err := unix.Mkfifo(end, 0o600); err != nil {
			return fmt.Errorf("make console %s: %w", end, err)
		}
		if err := a.UsePath(end); err != nil {
			return fmt.Errorf("make console %s: %w", end, err)
		}
	}
	return nil
}

func pipeEnds(path string) []string { return []string{path + ".in", path + ".out"} }

// openPipe opens the end that a QEMU, which has opened it, writes to.
func openPipe(path string) (io.ReadCloser, error) {
	file, err := os.OpenFile(path+".out", os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("open console: %w", err)
	}
	raw, err := file.SyscallConn()
	if err == nil {
		var failed error
		err = raw.Control(func(fd uintptr) { _, failed = unix.FcntlInt(fd, unix.F_SETPIPE_SZ, pipeSize) })
		err = errors.Join(err, failed)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make room for the console: %w", err), file.Close())
	}
	return file, nil
}

func removePipe(path string) {
	for _, end := range pipeEnds(path) {
		_ = os.Remove(end) // else it goes with the work directory
	}
}
