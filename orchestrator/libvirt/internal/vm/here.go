package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/fleetfall/fleetfall/internal/tool"
	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/domain"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/workdir"
	"github.com/fleetfall/fleetfall/vmimages"
)

// here is this machine: files lie in the run's work directory, and lines are unix sockets in it.
type here struct {
	work    *workdir.Dir
	account account.Account // under which QEMU runs
}

// NewHere is this machine, with a run's work directory and the account that QEMU runs under.
func NewHere(work *workdir.Dir, a account.Account) *here { return &here{work: work, account: a} }

func (p *here) Image(_ context.Context, image vmimages.Image) (vmimages.Image, error) {
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

func (p *here) PrivateMemory(domain string) (int64, error) { return qemu.PrivateMemory(domain) }

func (p *here) Machine(context.Context) (admission.Machine, error) {
	m, err := admission.ThisMachine()
	if err != nil {
		return m, err
	}
	m.Disk, err = workdir.RoomAt(p.work.Path)
	return m, err
}

func (p *here) Close(context.Context) error { return nil } // the work directory goes as a whole

func (p *here) readable(path string) error { return p.account.CanRead(path) }

func (p *here) Facts() MachineFacts {
	f := MachineFacts{Kernel: kernelRelease(), CPU: cpuModel(), Account: p.account.String()}
	if program, err := tool.Find("qemu-system-x86_64"); err == nil {
		if info, err := os.Stat(program); err == nil {
			f.Emulator = fmt.Sprintf("%s %d %v", program, info.Size(), info.ModTime().UTC())
		}
	}
	return f
}

func kernelRelease() string {
	text, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(text))
}

func cpuModel() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// KVM: who may use the device is decided by its mode and owners, and by whom the daemon is.
func (p *here) KVM(daemon string) (string, error) {
	const device = "/dev/kvm"
	info, err := os.Stat(device)
	if err != nil {
		return daemon + " without device", err
	}
	text := daemon
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		text = fmt.Sprintf("%s %v %d:%d", daemon, info.Mode(), stat.Uid, stat.Gid)
	}
	file, err := os.OpenFile(device, os.O_RDWR, 0)
	if err == nil {
		err = file.Close()
	}
	if err == nil {
		err = p.account.CanUse(device)
	}
	return text, err
}

func (p *here) Activity(domain string, pid int) qemu.Activity {
	if pid == 0 {
		if found, err := qemu.OfDomain(domain); err == nil {
			pid = found.PID
		}
	}
	return qemu.ActivityOf(pid)
}

// Full adds to a failure that there is no room left where the run works, of which libvirt's own words tell only
// sometimes.
func (p *here) Full(err error) error {
	const room = 1 << 20
	free, lookErr := workdir.RoomAt(p.work.Path)
	if lookErr != nil || free >= room || errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return fmt.Errorf("%w (no space left in %s: %d bytes are free)", err, p.work.Path, free)
}
