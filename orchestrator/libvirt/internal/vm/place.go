package vm

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

// A Place is where a hypervisor's VMs run: how their QEMUs come by images, and how their console and channel are
// reached. It is this machine (here) or another one, of which only the libvirt daemon is at hand (there).
type Place interface {
	// Image returns an image with paths that QEMU can open, after shipping it when need be.
	Image(ctx context.Context, image vmimages.Image) (vmimages.Image, error)
	// lines says in a domain how its console and channel are to be reached, and returns how they are, once it is there.
	lines(d *domain.Domain) lines
	// readable tells why QEMU cannot open a file of an image; nil when it can.
	readable(path string) error
	// Machine and facts describe the machine, as it is now and once and for all.
	Machine(ctx context.Context) (admission.Machine, error)
	Facts() MachineFacts
	// KVM tells what decides whether this daemon's guests run under KVM, as text, and why they cannot; nil when it
	// can be tried.
	KVM(daemon string) (device string, err error)
	// PrivateMemory is how many bytes of memory the QEMU of a domain has that it shares with nobody.
	PrivateMemory(domain string) (int64, error)
	// Activity is what the QEMU of a domain has done so far; pid is its process number, 0 where that is not known.
	Activity(domain string, pid int) qemu.Activity
	// Full adds to a failure that the disk is full, where it is.
	Full(err error) error
	// Close removes what the run has made there.
	Close(ctx context.Context) error
}

// MachineFacts are what can be seen of a machine.
type MachineFacts struct {
	Kernel   string // release
	CPU      string // model name
	Account  string // whom QEMU runs as, for people
	Emulator string // the file of QEMU, which an update of its package changes in spite of its version
}

// Lines are how a domain's console and channel are opened.
type lines struct {
	console func(context.Context) (io.ReadCloser, error)
	channel func(context.Context) (net.Conn, error) // nil on the virtual clock
	daemon  *connect.Lifeline                       // whose streams they are, and end with; nil for those that end with their VM only
}
