package libvirt

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// nobody is the number of the account without any rights, on every Linux distribution.
const nobody = 65534

// An account is whom the private daemon and its QEMUs run as. The zero value is ourselves.
type account struct {
	uid, gid int
	groups   []uint32
	other    bool // not ourselves: processes are started as, and files given to, uid and gid
}

// privateAccount is nobody for root, who has no session daemon and should not run VMs, and else ourselves. The group
// that may use /dev/kvm comes along.
func privateAccount() (account, error) {
	if os.Getuid() != 0 {
		return account{}, nil
	}
	a := account{uid: nobody, gid: nobody, other: true}
	if info, err := os.Stat("/dev/kvm"); err == nil && info.Mode().Perm()&0o060 == 0o060 {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Gid != 0 {
			a.groups = append(a.groups, stat.Gid)
		}
	}
	return a, nil
}

// accountOf is that of a session daemon of another user's, who is known by the daemon's end of the connection: its QEMUs run
// as that user. Only root reaches such a daemon. Of a system daemon, which is root itself, it is not known as whom it runs
// QEMU: the account is ourselves then, as it is where the daemon is ours.
func accountOf(c net.Conn) (account, error) {
	raw, ok := c.(syscall.Conn)
	if !ok {
		return account{}, nil
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return account{}, err
	}
	var peer *unix.Ucred
	if e := control.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); e != nil {
		err = e
	}
	if err != nil || peer.Uid == 0 || int(peer.Uid) == os.Getuid() || os.Getuid() != 0 {
		return account{}, err
	}
	return account{uid: int(peer.Uid), gid: int(peer.Gid), other: true}, nil
}

func (a account) own(path string) error {
	if !a.other {
		return nil
	}
	return os.Chown(path, a.uid, a.gid)
}

func (a account) attributes() *syscall.SysProcAttr {
	// A group of its own: the terminal's interrupt is for us, who end the daemon when the run has been cleaned up.
	attr := &syscall.SysProcAttr{Setpgid: true}
	if a.other {
		attr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid), Groups: a.groups}
	}
	return attr
}

// canRead checks that the account can open a file, so that a cache below a private home is reported as such and not as
// a QEMU that failed.
func (a account) canRead(path string) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if !a.other {
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
			return &PrerequisiteError{
				What: fmt.Sprintf("QEMU runs as user %d, who may not %s %s", a.uid, may, at),
				How:  "keep images where everybody can read them, such as /var/cache/fleetfall, or chmod " + hint + " " + at,
			}
		}
		if at == filepath.Dir(at) {
			return nil
		}
		need, may, hint = 0o1, "enter", "o+x"
	}
}

// canUse checks that the account can read and write a device.
func (a account) canUse(path string) error {
	if !a.other {
		return nil // whoever asks has opened it
	}
	has, err := a.permissions(path)
	if err == nil && has&0o6 != 0o6 {
		err = fmt.Errorf("QEMU runs as user %d, who may not open %s; put the device into a group that may", a.uid, path)
	}
	return err
}

// permissions are the account's own at a path: 4 to read, 2 to write, 1 to execute or enter.
func (a account) permissions(path string) (os.FileMode, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	switch mode := info.Mode().Perm(); {
	case ok && int(stat.Uid) == a.uid:
		return mode >> 6 & 0o7, nil
	case ok && (int(stat.Gid) == a.gid || slices.Contains(a.groups, stat.Gid)):
		return mode >> 3 & 0o7, nil
	default:
		return mode & 0o7, nil
	}
}
