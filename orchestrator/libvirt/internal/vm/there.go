package vm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/domain"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/vmimages"
)

// there is another machine, of which only the libvirt daemon is at hand: files lie in the daemon's store, and lines
// are its streams. Images are shipped once and templates made once for each machine, and stay there under names that
// say by their digests what they are.
type there struct {
	files *storage.Remote
	shelf *template.Notes
	line  *connect.Lifeline
	runID string
}

// NewThere is the machine at the other end of a line.
func NewThere(files *storage.Remote, shelf *template.Notes, line *connect.Lifeline, runID string) *there {
	return &there{files, shelf, line, runID}
}

func (p *there) Image(ctx context.Context, image vmimages.Image) (vmimages.Image, error) {
	placed := image
	for _, f := range []struct {
		from string
		to   *string
	}{{image.Kernel, &placed.Kernel}, {image.Initrd, &placed.Initrd}, {image.Disk, &placed.Disk}} {
		name := fmt.Sprintf("image-%s-%s", image.Digest, filepath.Base(f.from))
		if err := p.files.Ship(ctx, f.from, name); err != nil {
			return image, err
		}
		*f.to = p.files.Path(name)
	}
	return placed, nil
}

// lines leaves it to libvirt where sockets lie; it opens consoles only of terminals.
func (p *there) lines(d *domain.Domain) lines {
	d.Console, d.Link = domain.Terminal{}, domain.Channel{}
	created := golibvirt.Domain{Name: d.Name, UUID: d.UUID}
	return lines{
		daemon: p.line,
		console: func(ctx context.Context) (io.ReadCloser, error) {
			conn, err := p.line.Connection(ctx)
			if err != nil {
				return nil, err
			}
			return conn.OpenConsole(ctx, created)
		},
		channel: func(ctx context.Context) (net.Conn, error) {
			conn, err := p.line.Connection(ctx)
			if err != nil {
				return nil, err
			}
			return conn.OpenChannel(ctx, created, protocol.PortName)
		},
	}
}

func (p *there) readable(string) error { return nil } // it is shipped

func (p *there) Facts() MachineFacts {
	return MachineFacts{Kernel: "not known", CPU: "not known", Account: "as that machine's daemon has it"}
}

func (p *there) KVM(daemon string) (string, error) { return daemon, nil }

func (p *there) Activity(string, int) qemu.Activity { return qemu.Activity{} }

func (p *there) Full(err error) error { return err }

func (p *there) PrivateMemory(string) (int64, error) {
	return 0, errors.New("QEMU runs on another machine")
}

func (p *there) Machine(ctx context.Context) (admission.Machine, error) {
	var m admission.Machine
	err := p.line.Call(ctx, "ask for the machine's memory", connect.CallTime, func(l *golibvirt.Libvirt) error {
		const wholeMachine = -1 // VIR_NODE_MEMORY_STATS_ALL_CELLS
		_, n, err := l.NodeGetMemoryStats(0, wholeMachine, 0)
		if err != nil {
			return err
		}
		stats, _, err := l.NodeGetMemoryStats(n, wholeMachine, 0)
		for _, s := range stats {
			switch s.Field { // KiB
			case "total":
				m.Total = int64(s.Value) << 10
			case "free", "buffers", "cached": // what of these cannot be had back is little where no one else works
				m.Available += int64(s.Value) << 10
			}
		}
		return err
	})
	m.Reserved = admission.Reserve(m.Total)
	return m, err
}

// Close removes what the run has made there and later ones do not use.
func (p *there) Close(ctx context.Context) error {
	return p.files.RemoveAll(ctx, func(name string) bool { return OfRun(name, p.runID) && !p.shelf.Own(name) })
}

// OfRun tells whether a file is one that a run has made.
func OfRun(name, runID string) bool {
	return strings.HasPrefix(name, qemu.DomainPrefix(runID)) || template.OfRun(name, runID)
}
