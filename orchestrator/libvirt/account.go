package libvirt

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/prerequisite"
	"golang.org/x/sys/unix"
)

// An account is whom a daemon's QEMUs run as. The zero value is ourselves.
type account struct {
	uid, gid int
	groups   []uint32
	other    bool // not ourselves: it has to be let in to what QEMU uses
	listed   bool // by access control lists, because only root gives files away
	own      bool // this run's alone, see firstAccount
}

// nobody is the number of the account without any rights, on every Linux distribution.
const nobody = 65534

// Root has no session daemon and should not run VMs: each of its runs has an account of its own, so that whoever gets
// out of a guest is somebody that no other run, and nothing else on the machine, knows. The numbers are those that
// Debian's policy reserves (9.2.2) and that are not among systemd's for services (61184 to 65519).
const (
	firstAccount = 65520
	lastAccount  = 65533
)

// privateAccount is whom a private daemon runs as: for root one of its accounts that is not among those taken, or
// nobody where a daemon cannot be shown an account, and else ourselves. The group that may use /dev/kvm comes along.
func privateAccount(taken []int) (account, error) {
	if os.Getuid() != 0 {
		return account{}, nil
	}
	a := account{uid: nobody, gid: nobody, other: true}
	if canShowAccounts() {
		uid, err := freeAccount(taken)
		if err != nil {
			return a, err
		}
		a.uid, a.gid, a.own = uid, uid, true
	}
	if info, err := os.Stat("/dev/kvm"); err == nil && info.Mode().Perm()&0o060 == 0o060 {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Gid != 0 {
			a.groups = append(a.groups, stat.Gid)
		}
	}
	return a, nil
}

// freeAccount is the first of root's accounts that is not taken.
func freeAccount(taken []int) (int, error) {
	running := usersOfProcesses()
	for uid := firstAccount; uid <= lastAccount; uid++ {
		_, err := user.LookupId(strconv.Itoa(uid))
		if unknown := errors.As(err, new(user.UnknownUserIdError)); unknown && !slices.Contains(taken, uid) && !running[uint32(uid)] {
			return uid, nil
		}
	}
	return 0, &prerequisite.Error{
		What: fmt.Sprintf("all accounts that root's runs have their QEMUs under, users %d to %d, are taken", firstAccount, lastAccount),
		How:  "wait until another run has ended; fleetfall gc frees those of runs that were killed",
	}
}

// libvirt asks for the name of its user, so a daemon under an account of its run's sees a list of users that has it:
// in a mount namespace of its own, so that nothing else on the machine sees that. The arguments are the list, the
// account, its groups and the daemon's command line.
const showAccount = `list=$0 uid=$1 groups=$2; shift 2
mount --bind "$list" /etc/passwd && umask 077 &&
exec setpriv --reuid "$uid" --regid "$uid" --groups "$groups" --no-new-privs -- "$@"`

// canShowAccounts tells whether this process may do that: root of a container may not, as a rule.
func canShowAccounts() bool {
	return exec.Command("unshare", "--mount", "--propagation", "slave", "mount", "--bind", "/etc/passwd", "/etc/passwd").Run() == nil
}

// command is a program that runs as the account, with a list of users in the file passwd where it is one of this
// run's. Whatever it makes is its own alone: Go has no other way to set a child's umask.
func (a account) command(passwd, program string, args ...string) *exec.Cmd {
	if !a.own {
		cmd := exec.Command("/bin/sh", append([]string{"-c", `umask 077; exec "$0" "$@"`, program}, args...)...)
		cmd.SysProcAttr = a.attributes()
		return cmd
	}
	groups := []string{strconv.Itoa(a.gid)}
	for _, g := range a.groups {
		groups = append(groups, strconv.FormatUint(uint64(g), 10))
	}
	cmd := exec.Command("unshare", append([]string{
		"--mount", "--propagation", "slave", "/bin/sh", "-c", showAccount, passwd, strconv.Itoa(a.uid), strings.Join(groups, ","), program,
	}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// users is a list of users with the account in it, see passwd(5).
func (a account) users() ([]byte, error) {
	list, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return nil, err
	}
	if n := len(list); n > 0 && list[n-1] != '\n' {
		list = append(list, '\n')
	}
	return fmt.Appendf(list, "fleetfall-%[1]d:x:%[1]d:%[2]d::/nonexistent:/usr/sbin/nologin\n", a.uid, a.gid), nil
}

// usersOfProcesses are the users that some process runs as now.
func usersOfProcesses() map[uint32]bool {
	users := map[uint32]bool{}
	paths, _ := filepath.Glob("/proc/[0-9]*")
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				users[stat.Uid] = true
			}
		}
	}
	return users
}

// peerOf is who is at the other end of a unix socket; nil where that is no unix socket.
func peerOf(c net.Conn) (*unix.Ucred, error) {
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

// ofDaemon is the account of a daemon that is not ours, by its numbers: ourselves when they are ours.
func ofDaemon(uid, gid int) account {
	if uid == os.Getuid() {
		return account{}
	}
	return account{uid: uid, gid: gid, other: true, listed: os.Getuid() != 0}
}

// String is the account for people.
func (a account) String() string {
	if !a.other {
		return fmt.Sprintf("user %d, as fleetfall itself", os.Getuid())
	}
	if a.own {
		return fmt.Sprintf("user %d, of this run alone", a.uid)
	}
	if a.uid == nobody {
		return fmt.Sprintf("user %d, nobody, which other programs may run as too", a.uid)
	}
	return fmt.Sprintf("user %d, as its daemon has it", a.uid)
}

// use lets the account read and write a file of ours, and nobody else.
func (a account) use(file *os.File) error {
	if err := file.Chmod(0o600); err != nil || !a.other {
		return err
	}
	if a.listed {
		return allow(file, a.uid, 0o6)
	}
	return file.Chown(a.uid, a.gid)
}

// usePath is use for what cannot be opened to be given away, a socket or a pipe, in a directory in which all names
// are ours.
func (a account) usePath(path string) error {
	file, err := os.OpenFile(path, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	// By the descriptor's name: chmod(2) takes no descriptor of this kind itself.
	self := fmt.Sprintf("/proc/self/fd/%d", file.Fd())
	if err := os.Chmod(self, 0o600); err != nil || !a.other {
		return err
	}
	if a.listed {
		return allowAt(self, path, a.uid, 0o6)
	}
	return os.Chown(self, a.uid, a.gid)
}

// is tells whether the account is at the other end of a unix socket.
func (a account) is(c net.Conn) bool {
	peer, err := peerOf(c)
	if err != nil || peer == nil {
		return false
	}
	return a.has(peer.Uid)
}

// has tells whether this is the account's user.
func (a account) has(uid uint32) bool {
	if !a.other {
		return int(uid) == os.Getuid()
	}
	return int(uid) == a.uid
}

// enter lets the account come through a directory in which all names are ours.
func (a account) enter(dir *os.File) error {
	if err := dir.Chmod(0o700); err != nil || !a.other {
		return err
	}
	if a.listed {
		return allow(dir, a.uid, 0o1)
	}
	return cmp.Or(dir.Chown(-1, a.gid), dir.Chmod(0o710))
}

// fill lets the account make files in a directory, and nobody else but us.
func (a account) fill(dir *os.File) error {
	if err := dir.Chmod(0o700); err != nil || !a.other {
		return err
	}
	if a.listed {
		return cmp.Or(allow(dir, a.uid, 0o7), allowBelow(dir, os.Getuid(), a.uid))
	}
	return dir.Chown(a.uid, a.gid)
}

// runs tells whether a process is the account's.
func (a account) runs(pid int) bool {
	info, err := os.Stat("/proc/" + strconv.Itoa(pid))
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && a.has(stat.Uid)
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
			return &prerequisite.Error{
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
