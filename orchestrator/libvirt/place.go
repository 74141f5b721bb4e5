package libvirt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemon"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/domain"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/workdir"
	"github.com/fleetfall/fleetfall/vmimages"
)

// A place is where a hypervisor's VMs run: how their QEMUs come by images, and how their console and channel are reached.
// It is this machine (here) or another one, of which only the libvirt daemon is at hand (there).
type place interface {
	// image returns an image with paths that QEMU can open, after shipping it when need be.
	image(ctx context.Context, image vmimages.Image) (vmimages.Image, error)
	// lines says in a domain how its console and channel are to be reached, and returns how they are, once it is there.
	lines(d *domain.Domain) lines
	// privateMemory is how many bytes of memory the QEMU of a domain has that it shares with nobody.
	privateMemory(domain string) (int64, error)
	// machine describes the machine as it is now.
	machine(ctx context.Context) (admission.Machine, error)
	// close removes what the run has made there.
	close(ctx context.Context) error
}

// Lines are how a domain's console and channel are opened.
type lines struct {
	console func(context.Context) (io.ReadCloser, error)
	channel func(context.Context) (net.Conn, error) // nil on the virtual clock
	daemon  *connect.Lifeline                       // whose streams they are, and end with; nil for those that end with their VM only
}

// here is this machine: files lie in the run's work directory, and lines are unix sockets in it.
type here struct {
	work *workdir.Dir
}

func (p *here) image(_ context.Context, image vmimages.Image) (vmimages.Image, error) {
	return image, nil
}

func (p *here) lines(d *domain.Domain) lines {
	console, channel := p.work.Made(d.Name+".tty"), p.work.Made(d.Name+".vsp")
	d.Console, d.Link = domain.Socket{Path: console}, domain.Channel{Path: channel}
	return lines{
		console: func(ctx context.Context) (io.ReadCloser, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "unix", console)
			if err != nil {
				return nil, fmt.Errorf("connect to console: %w", err)
			}
			return conn, nil
		},
		channel: func(ctx context.Context) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, "unix", channel)
			if err != nil {
				return nil, fmt.Errorf("connect to channel: %w", err)
			}
			return conn, nil
		},
	}
}

func (p *here) privateMemory(domain string) (int64, error) { return qemu.PrivateMemory(domain) }

func (p *here) machine(context.Context) (admission.Machine, error) {
	m, err := admission.ThisMachine()
	if err != nil {
		return m, err
	}
	m.Disk, err = workdir.RoomAt(p.work.Path)
	return m, err
}

func (p *here) close(context.Context) error { return nil } // the work directory goes as a whole

// onFullDisk adds to a failure that there is no room left where the run works, of which libvirt's own words tell only
// sometimes.
func (h *Hypervisor) onFullDisk(err error) error {
	const room = 1 << 20
	free, lookErr := workdir.RoomAt(h.work.Path)
	if h.remote() || lookErr != nil || free >= room || errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return fmt.Errorf("%w (no space left in %s: %d bytes are free)", err, h.work.Path, free)
}

// pidOf is the process number of a domain's QEMU, from the file that a private daemon keeps it in; 0 when it is not
// known. The file is that of whoever runs as the daemon's account, so the number is one of a process of that account,
// or none.
func (h *Hypervisor) pidOf(domain string) int {
	if h.daemon == nil {
		return 0
	}
	text, err := h.work.ReadMade(daemon.PIDFile(domain), h.account, 32)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || !h.account.Runs(pid) {
		return 0
	}
	return pid
}
