// Package account is whom QEMUs run as: a user of this run alone, nobody, ourselves, or whoever a daemon that is not
// ours runs them as; and how that user is let in to files, and nobody else.
package account

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/orchestrator/backend"
)

// An Account is whom a daemon's QEMUs run as. The zero value is ourselves.
type Account struct {
	UID, GID int
	groups   []uint32
	Other    bool // not ourselves: it has to be let in to what QEMU uses
	Listed   bool // by access control lists, because only root gives files away
	Own      bool // this run's alone, see Private
}

// PeerOf is who is at the other end of a unix socket; nil where that is no unix socket.
func PeerOf(c net.Conn) (*unix.Ucred, error) {
	raw, ok := c.(syscall.Conn)
	if !ok {
		return nil, nil
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return nil, err
	}
	var peer *unix.Ucred
	if e := control.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); e != nil {
		err = e
	}
	return peer, os.NewSyscallError("getsockopt", err)
}

// OfDaemon is the account of a daemon that is not ours, by its numbers: ourselves when they are ours.
func OfDaemon(uid, gid int) Account {
	if uid == os.Getuid() {
		return Account{}
	}
	return Account{UID: uid, GID: gid, Other: true, Listed: os.Getuid() != 0}
}

// String is the account for people.
func (a Account) String() string {
	if !a.Other {
		return fmt.Sprintf("user %d, as fleetfall itself", os.Getuid())
	}
	if a.Own {
		return fmt.Sprintf("user %d, of this run alone", a.UID)
	}
	if a.UID == Nobody {
		return fmt.Sprintf("user %d, nobody, which other programs may run as too", a.UID)
	}
	return fmt.Sprintf("user %d, as its daemon has it", a.UID)
}

// Use lets the account read and write a file of ours, and nobody else.
func (a Account) Use(file *os.File) error {
	if err := file.Chmod(0o600); err != nil || !a.Other {
		return err
	}
	if a.Listed {
		return allow(file, a.UID, 0o6)
	}
	return file.Chown(a.UID, a.GID)
}

// UsePath is Use for what cannot be opened to be given away, a socket or a pipe, in a directory in which all names
// are ours.
func (a Account) UsePath(path string) error {
	file, err := os.OpenFile(path, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	// By the descriptor's name: chmod(2) takes no descriptor of this kind itself.
	self := fmt.Sprintf("/proc/self/fd/%d", file.Fd())
	if err := os.Chmod(self, 0o600); err != nil || !a.Other {
		return err
	}
	if a.Listed {
		return allowAt(self, path, a.UID, 0o6)
	}
	return os.Chown(self, a.UID, a.GID)
}

// Is tells whether the account is at the other end of a unix socket.
func (a Account) Is(c net.Conn) bool {
	peer, err := PeerOf(c)
	if err != nil || peer == nil {
		return false
	}
	return a.Has(peer.Uid)
}

// Has tells whether this is the account's user.
func (a Account) Has(uid uint32) bool {
	if !a.Other {
		return int(uid) == os.Getuid()
	}
	return int(uid) == a.UID
}

// Enter lets the account come through a directory in which all names are ours.
func (a Account) Enter(dir *os.File) error {
	if err := dir.Chmod(0o700); err != nil || !a.Other {
		return err
	}
	if a.Listed {
		return allow(dir, a.UID, 0o1)
	}
	return cmp.Or(dir.Chown(-1, a.GID), dir.Chmod(0o710))
}

// Fill lets the account make files in a directory, and nobody else but us.
func (a Account) Fill(dir *os.File) error {
	if err := dir.Chmod(0o700); err != nil || !a.Other {
		return err
	}
	if a.Listed {
		return cmp.Or(allow(dir, a.UID, 0o7), allowBelow(dir, os.Getuid(), a.UID))
	}
	return dir.Chown(a.UID, a.GID)
}

// Runs tells whether a process is the account's.
func (a Account) Runs(pid int) bool {
	info, err := os.Stat("/proc/" + strconv.Itoa(pid))
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && a.Has(stat.Uid)
}

// Attributes have a program run as the account.
func (a Account) Attributes() *syscall.SysProcAttr {
	// A group of its own: the terminal's interrupt is for us, who end the daemon when the run has been cleaned up.
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.Other {
		attr.Credential = &syscall.Credential{Uid: uint32(a.UID), Gid: uint32(a.GID), Groups: a.groups}
	}
	return attr
}

// CanRead checks that the account can open a file, so that a cache below a private home is reported as such and not as
// a QEMU that failed.
func (a Account) CanRead(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if !a.Other {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		return file.Close()
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return err
	}
	need, may, hint := os.FileMode(0o4), "read", "o+r"
	for at := path; ; at = filepath.Dir(at) {
		has, err := a.permissions(at)
		if err != nil {
			return err
		}
		if has&need == 0 {
			return &backend.PrerequisiteError{
				What: fmt.Sprintf("QEMU runs as user %d, who may not %s %s", a.UID, may, at),
				How:  "keep images where everybody can read them, such as /var/cache/fleetfall, or chmod " + hint + " " + at,
			}
		}
		if at == filepath.Dir(at) {
			return nil
		}
		need, may, hint = 0o1, "enter", "o+x"
	}
}

// CanUse checks that the account can read and write a device.
func (a Account) CanUse(path string) error {
	if !a.Other {
		return nil // whoever asks has opened it
	}
	has, err := a.permissions(path)
	if err == nil && has&0o6 != 0o6 {
		err = fmt.Errorf("QEMU runs as user %d, who may not open %s; put the device into a group that may", a.UID, path)
	}
	return err
}

// permissions are the account's own at a path: 4 to read, 2 to write, 1 to execute or enter.
func (a Account) permissions(path string) (os.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode().Perm(); {
	case ok && int(stat.Uid) == a.UID:
		return mode >> 6 & 0o7, nil
	case ok && (int(stat.Gid) == a.GID || slices.Contains(a.groups, stat.Gid)):
		return mode >> 3 & 0o7, nil
	default:
		return mode & 0o7, nil
	}
}
