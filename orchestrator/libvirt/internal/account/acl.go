package account

import (
	"encoding/binary"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/orchestrator/backend"
)

// Access control lists let one user in to a file of ours where we may not give it away. Their form is that of the
// extended attributes in the kernel's include/uapi/linux/posix_acl_xattr.h; acl(5) says what they mean.
const (
	aclAccess, aclDefault = "system.posix_acl_access", "system.posix_acl_default"

	aclVersion                                            = 2
	aclOwner, aclUser, aclGroup, aclMask, aclOther uint16 = 0x01, 0x02, 0x04, 0x10, 0x20
	aclAll                                         uint16 = 0o7
	aclNobody                                      uint32 = 1<<32 - 1 // in the entries that name no user
)

// allow gives one user rights to a file of ours, as in a mode: 4 to read, 2 to write, 1 to execute or enter. The
// owner keeps all, and others have none.
func allow(file *os.File, uid int, rights uint16) error {
	return setACL(fmt.Sprintf("/proc/self/fd/%d", file.Fd()), file.Name(), aclAccess, rights, uid)
}

// allowAt is allow for a file that at leads to, whose name for people is name.
func allowAt(at, name string, uid int, rights uint16) error {
	return setACL(at, name, aclAccess, rights, uid)
}

// allowBelow has these users do as they like with what is made in a directory from now on.
func allowBelow(dir *os.File, uids ...int) error {
	return setACL(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()), dir.Name(), aclDefault, aclAll, uids...)
}

func setACL(at, name, list string, rights uint16, uids ...int) error {
	text := binary.LittleEndian.AppendUint32(nil, aclVersion)
	add := func(tag, rights uint16, id uint32) {
		text = binary.LittleEndian.AppendUint16(text, tag)
		text = binary.LittleEndian.AppendUint16(text, rights)
		text = binary.LittleEndian.AppendUint32(text, id)
	}
	add(aclOwner, aclAll, aclNobody)
	for _, uid := range uids {
		add(aclUser, rights, uint32(uid))
	}
	add(aclGroup, 0, aclNobody)
	add(aclMask, rights, aclNobody)
	add(aclOther, 0, aclNobody)
	if err := unix.Setxattr(at, list, text, 0); err != nil {
		return &backend.PrerequisiteError{
			What: fmt.Sprintf("user %d, whom QEMU runs as, cannot be let in to %s", uids[len(uids)-1], name), Err: err,
			How: "put the work directory on a file system with access control lists, run as root, or use a private daemon (no --connect)",
		}
	}
	return nil
}
