// Package libvirt runs a fleet's hosts as virtual machines under libvirt and QEMU.
//
// A [Hypervisor] is one connection to a libvirt daemon, private unless a URI names another, and a work directory that
// holds everything a run needs while it lives. A fleet made by it is a set of transient domains, each with a disk of
// its own, a serial console that is read and a link on which the guest asks and is answered. What is below internal
// knows nothing of it: internal/vm is one VM, internal/wall and internal/virtual are fleets of them on either clock.
//
// What a run leaves when it is killed is found and removed by [Collect].
package libvirt

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/rs/zerolog"
	"libvirt.org/go/libvirtxml"

	"github.com/fleetfall/fleetfall/internal/daemonuri"
	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemon"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/workdir"
)

// Config says where and as whom VMs run.
type Config struct {
	Node      string         // name of the machine in hosts' specs; "" for the only one
	RunID     string         // of the run, in the name of everything that it starts: 6 to 16 of [a-z0-9]
	URI       string         // of the libvirt daemon; "" starts a private one
	WorkRoot  string         // directory of the work directories of runs; "" is DefaultWorkRoot
	RunDir    string         // the run's results directory, written down for whoever finds what the run left
	Store     string         // directory for files on a machine that only its daemon is known of; "" is the usual one
	Emulate   bool           // guests' CPUs are emulated, also where KVM works, as the virtual clock needs it
	Cache     string         // directory that keeps templates and the verdict of Probe; "" keeps none
	Reconnect time.Duration  // how long the daemon may be away, as when it is restarted; 0 is 30 s
	Log       zerolog.Logger // for people; the zero value drops everything
}

// A Hypervisor is a machine on which fleets' VMs run. Its methods may be called from any goroutine.
type Hypervisor struct {
	cfg    Config
	uri    daemonuri.URI
	daemon *daemon.Daemon // nil when the daemon is not ours
	shelf  template.Shelf
	site   *vm.Site

	mu    sync.Mutex
	facts Facts
}

// Open connects to the daemon, after starting it when it is to be private. What is missing on the machine is reported
// as a *backend.PrerequisiteError.
func Open(ctx context.Context, cfg Config) (h *Hypervisor, err error) {
	if !workdir.ValidRunID(cfg.RunID) {
		return nil, fmt.Errorf("open hypervisor: run ID %q: want 6 to 16 lower-case letters and digits", cfg.RunID)
	}
	h = &Hypervisor{cfg: cfg, site: vm.NewSite(cfg.Node, cfg.RunID, cfg.URI == "", cfg.Log)}
	if cfg.URI != "" {
		if h.uri, err = daemonuri.Parse(cfg.URI); err != nil {
			return nil, err
		}
	}
	if err := needTools(cfg.URI == "", h.uri.Remote); err != nil {
		return nil, err
	}
	// A failure on the way gives back what was had so far, also when ctx is why it failed.
	defer func() {
		if err != nil {
			cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			err = errors.Join(err, h.release(cleanup))
			h = nil
		}
	}()
	if cfg.URI == "" {
		if err = qemu.Orphans.Adopt(); err != nil {
			h.site.Log.Warn().Err(err).Msg("how a QEMU ends will not be known")
		}
	}
	if h.site.Work, err = workdir.Create(cfg.work()); err != nil {
		return h, err
	}
	h.site.Account = h.site.Work.Account
	conn, err := h.connect(ctx)
	if err != nil {
		return h, err
	}
	h.site.Line = connect.NewLifeline(conn, h.connect, cfg.Reconnect, h.site.Log.With().Str("node", cfg.Node).Logger())
	if h.uri.Remote {
		files, err := storage.OpenRemote(ctx, h.site.Line, cfg.Store)
		if err != nil {
			return h, err
		}
		shelf := template.NewNotes(files, cfg.RunID)
		h.site.Files, h.shelf, h.site.Place = files, shelf, vm.NewThere(files, shelf, h.site.Line, cfg.RunID)
	} else {
		if h.daemon == nil {
			if err = h.serve(ctx, conn); err != nil {
				return h, err
			}
		}
		h.site.Local = storage.NewLocal(h.site.Work, h.site.Account)
		h.site.Files, h.site.Place = h.site.Local, vm.NewHere(h.site.Work, h.site.Account)
		h.shelf = template.NewCache(cfg.Cache, h.site.Local)
	}
	if h.facts, h.site.CPUs, err = learn(ctx, h.site.Line, h.site.Place.Facts()); err != nil {
		return h, fmt.Errorf("open hypervisor: %w", err)
	}
	h.facts.Node, h.facts.URI = cfg.Node, cfg.URI
	if h.daemon != nil {
		h.facts.URI, h.facts.Private = h.daemon.URI(), true
	}
	return h, nil
}

// work is the work directory of a run.
func (cfg Config) work() workdir.Options {
	o := workdir.Options{Root: cfg.WorkRoot, RunID: cfg.RunID, RunDir: cfg.RunDir, URI: cfg.URI, Store: cfg.Store}
	if cfg.URI == "" {
		o.Dirs, o.Files = daemon.Dirs, daemon.Files
	}
	return o
}

// serve lets in whom a daemon that is not ours runs QEMU as.
func (h *Hypervisor) serve(ctx context.Context, conn *connect.Connection) (err error) {
	if h.site.Account, err = conn.Account(ctx); err != nil {
		return fmt.Errorf("open hypervisor: whose daemon is it: %w", err)
	}
	if err := h.site.Work.Admit(h.site.Account); err != nil {
		return fmt.Errorf("open hypervisor: %w", err)
	}
	return nil
}

// Local tells whether the VMs run on this machine.
func (h *Hypervisor) Local() bool { return h.site.Local != nil }

// CPUs is how many the machine has.
func (h *Hypervisor) CPUs() int { return h.site.CPUs }

// connect connects to the daemon, after starting it when it is private and does not run.
func (h *Hypervisor) connect(ctx context.Context) (*connect.Connection, error) {
	uri := h.cfg.URI
	if uri == "" {
		if h.daemon == nil || h.daemon.Ended() {
			d, err := daemon.Start(ctx, h.site.Work.Path, h.site.Work.Users(), h.site.Account)
			if err != nil {
				return nil, err
			}
			h.daemon = d
		}
		uri = h.daemon.URI()
	}
	conn, err := connect.Open(ctx, uri, h.site.Work.Ours(""), h.daemonGone())
	if err != nil {
		if h.daemon != nil {
			err = fmt.Errorf("%w\n%s", err, h.daemon.LastWords())
		}
		return nil, &backend.PrerequisiteError{
			What: "no connection to the libvirt daemon at " + uri, Err: err,
			How: "check that libvirtd runs there and that this user may use it, or leave the URI empty for a private one",
		}
	}
	return conn, nil
}

// Machine describes the machine as it is now.
func (h *Hypervisor) Machine(ctx context.Context) (admission.Machine, error) {
	m, err := h.site.Place.Machine(ctx)
	if err != nil {
		return m, fmt.Errorf("look at machine %s: %w", h.cfg.Node, err)
	}
	m.Name, m.CPUs = h.cfg.Node, h.site.CPUs
	if h.daemon == nil {
		m.Files = 0 // only a daemon of our own is known to have our limit on open files
	}
	// The daemon knows its machine by the hardware's UUID, however it is reached.
	err = h.site.Line.Call(ctx, "ask for the machine's UUID", connect.CallTime, func(l *golibvirt.Libvirt) error {
		text, err := l.ConnectGetCapabilities()
		if err != nil {
			return err
		}
		var caps libvirtxml.Caps
		if err := caps.Unmarshal(text); err != nil {
			return err
		}
		m.ID = caps.Host.UUID
		return nil
	})
	return m, err
}

func (h *Hypervisor) daemonGone() <-chan struct{} {
	if h.daemon == nil {
		return nil
	}
	return h.daemon.Exited
}

// Close closes every fleet that is still open, ends the private daemon and removes the work directory. It is
// idempotent; after an error because ctx ended, it can be called again to finish.
func (h *Hypervisor) Close(ctx context.Context) error {
	var errs []error
	for _, f := range h.site.Close() {
		errs = append(errs, f.Close(ctx))
	}
	return errors.Join(append(errs, h.release(ctx))...)
}

// release gives back everything but fleets, in the reverse order of Open.
func (h *Hypervisor) release(ctx context.Context) error {
	var errs []error
	abandoned := h.uri.Remote && h.site.Line != nil && h.site.Line.Reason() != nil
	if h.site.Place != nil && !abandoned {
		if err := h.site.Place.Close(ctx); err != nil {
			errs = append(errs, err)
		} else {
			h.site.Place = nil // Close may be called again, when there is no connection any more
		}
	}
	if h.site.Line != nil {
		errs = append(errs, h.site.Line.Close(ctx))
	}
	if h.daemon != nil {
		errs = append(errs, h.daemon.Stop(ctx))
	}
	if abandoned {
		// The work directory stays, and says where to look: fleetfall gc does so once this process has ended.
		h.site.Log.Warn().Str("node", h.cfg.Node).Str("uri", h.cfg.URI).
			Msg("the machine was given up with hosts on it; fleetfall gc removes them once it can be reached")
		return errors.Join(errs...)
	}
	if h.site.Work != nil {
		// No VM is left unless its end failed above: then this ends it the hard way, on this machine. By the work
		// directory alone fleetfall gc finds what stays in spite of that.
		err := qemu.EndAll(ctx, h.site.Work.Path, h.cfg.RunID)
		left := h.uri.Remote && h.site.Used()
		if err == nil && !left {
			err = h.site.Work.Remove()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Facts tells what the VMs run on.
func (h *Hypervisor) Facts() Facts {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := h.facts
	f.CommandLine = h.site.Ran()
	return f
}
