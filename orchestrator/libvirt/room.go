package libvirt

import (
	"cmp"
	"path/filepath"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/workdir"
)

// Promises is the ledger of the memory that this user's runs on this machine are going to take; workRoot "" is
// DefaultWorkRoot.
func Promises(workRoot string) admission.Ledger {
	return admission.Ledger{Dir: filepath.Join(cmp.Or(workRoot, DefaultWorkRoot()), ".promises")}
}

// DiskBesides is what a host may take of the disk besides its own, in bytes: its mailbox, its log and the state that
// it starts from.
const DiskBesides = protocol.MailboxSize + 2<<20

// DefaultWorkRoot is where the work directories of this user's runs are.
func DefaultWorkRoot() string { return workdir.DefaultRoot() }

// RoomForDisks is how many bytes are free where the work directories of this user's runs lie; workRoot "" is
// DefaultWorkRoot.
func RoomForDisks(workRoot string) (int64, error) {
	return workdir.RoomAt(cmp.Or(workRoot, DefaultWorkRoot()))
}
