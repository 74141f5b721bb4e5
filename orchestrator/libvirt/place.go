package libvirt

import (
	"context"
	"io"
	"net"

	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/domain"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/vmimages"
)

// A place is where a hypervisor's VMs run: how their QEMUs come by images, and how their console and channel are reached.
// It is this machine (here) or another one, of which only the libvirt daemon is at hand (there).
type place interface {
	// image returns an image with paths that QEMU can open, after shipping it when need be.
	image(ctx context.Context, image vmimages.Image) (vmimages.Image, error)
	// lines says in a domain how its console and channel are to be reached, and returns how they are, once it is there.
	lines(d *domain.Domain) lines
	// readable tells why QEMU cannot open a file of an image; nil when it can.
	readable(path string) error
	// machine and facts describe the machine, as it is now and once and for all.
	machine(ctx context.Context) (admission.Machine, error)
	facts() machineFacts
	// kvm tells what decides whether this daemon's guests run under KVM, as text, and why they cannot; nil when it can be tried.
	kvm(daemon string) (device string, err error)
	// privateMemory is how many bytes of memory the QEMU of a domain has that it shares with nobody.
	privateMemory(domain string) (int64, error)
	// activity is what the QEMU of a domain has done so far; pid is its process number, 0 where that is not known.
	activity(domain string, pid int) qemu.Activity
	// full adds to a failure that the disk is full, where it is.
	full(err error) error
	// close removes what the run has made there.
	close(ctx context.Context) error
}

// machineFacts are what can be seen of a machine.
type machineFacts struct {
	kernel   string // release
	cpu      string // model name
	account  string // whom QEMU runs as, for people
	emulator string // the file of QEMU, which an update of its package changes in spite of its version
}

// Lines are how a domain's console and channel are opened.
type lines struct {
	console func(context.Context) (io.ReadCloser, error)
	channel func(context.Context) (net.Conn, error) // nil on the virtual clock
	daemon  *connect.Lifeline                       // whose streams they are, and end with; nil for those that end with their VM only
}
