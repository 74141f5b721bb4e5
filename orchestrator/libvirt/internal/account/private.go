package account

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/fleetfall/fleetfall/orchestrator/backend"
)

// Nobody is the number of the account without any rights, on every Linux distribution.
const Nobody = 65534

// Root has no session daemon and should not run VMs: each of its runs has an account of its own, so that whoever gets
// out of a guest is somebody that no other run, and nothing else on the machine, knows. The numbers are those that
// Debian's policy reserves (9.2.2) and that are not among systemd's for services (61184 to 65519).
const (
	First = 65520
	last  = 65533
)

// Private is whom a private daemon runs as: for root one of its accounts that is not among those taken, or
// nobody where a daemon cannot be shown an account, and else ourselves. The group that may use /dev/kvm comes along.
func Private(taken []int) (Account, error) {
	if os.Getuid() != 0 {
		return Account{}, nil
	}
	a := Account{UID: Nobody, GID: Nobody, Other: true}
	if canShow() {
		uid, err := free(taken)
		if err != nil {
			return a, err
		}
		a.UID, a.GID, a.Own = uid, uid, true
	}
	if info, err := os.Stat("/dev/kvm"); err == nil && info.Mode().Perm()&0o060 == 0o060 {
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Gid != 0 {
			a.groups = append(a.groups, stat.Gid)
		}
	}
	return a, nil
}

// free is the first of root's accounts that is not taken.
func free(taken []int) (int, error) {
	running := usersOfProcesses()
	for uid := First; uid <= last; uid++ {
		_, err := user.LookupId(strconv.Itoa(uid))
		if unknown := errors.As(err, new(user.UnknownUserIdError)); unknown && !slices.Contains(taken, uid) && !running[uint32(uid)] {
			return uid, nil
		}
	}
	return 0, &backend.PrerequisiteError{
		What: fmt.Sprintf("all accounts that root's runs have their QEMUs under, users %d to %d, are taken", First, last),
		How:  "wait until another run has ended; fleetfall gc frees those of runs that were killed",
	}
}

// libvirt asks for the name of its user, so a daemon under an account of its run's sees a list of users that has it:
// in a mount namespace of its own, so that nothing else on the machine sees that. The arguments are the list, the
// account, its groups and the daemon's command line.
const show = `list=$0 uid=$1 groups=$2; shift 2
mount --bind "$list" /etc/passwd && umask 077 &&
exec setpriv --reuid "$uid" --regid "$uid" --groups "$groups" --no-new-privs -- "$@"`

// canShow tells whether this process may do that: root of a container may not, as a rule.
func canShow() bool {
	return exec.Command("unshare", "--mount", "--propagation", "slave", "mount", "--bind", "/etc/passwd", "/etc/passwd").Run() == nil
}

// Command is a program that runs as the account, with a list of users in the file passwd where it is one of this
// run's. Whatever it makes is its own alone: Go has no other way to set a child's umask.
func (a Account) Command(passwd, program string, args ...string) *exec.Cmd {
	if !a.Own {
		cmd := exec.Command("/bin/sh", append([]string{"-c", `umask 077; exec "$0" "$@"`, program}, args...)...)
		cmd.SysProcAttr = a.Attributes()
		return cmd
	}
	groups := []string{strconv.Itoa(a.GID)}
	for _, g := range a.groups {
		groups = append(groups, strconv.FormatUint(uint64(g), 10))
	}
	cmd := exec.Command("unshare", append([]string{
		"--mount", "--propagation", "slave", "/bin/sh", "-c", show, passwd, strconv.Itoa(a.UID), strings.Join(groups, ","), program,
	}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

// Users is a list of users with the account in it, see passwd(5).
func (a Account) Users() ([]byte, error) {
	list, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return nil, err
	}
	if n := len(list); n > 0 && list[n-1] != '\n' {
		list = append(list, '\n')
	}
	return fmt.Appendf(list, "fleetfall-%[1]d:x:%[1]d:%[2]d::/nonexistent:/usr/sbin/nologin\n", a.UID, a.GID), nil
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
