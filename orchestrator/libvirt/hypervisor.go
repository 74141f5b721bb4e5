// Package libvirt runs a fleet's hosts as virtual machines under libvirt and QEMU.
//
// A [Hypervisor] is one connection to a libvirt daemon, private unless a URI names another, and a work directory that
// holds everything a run needs while it lives. A fleet made by it is a set of transient domains, each with a disk
// overlay of its own, a serial console that this package reads and a virtio-serial channel on which the guest asks and
// this package answers. One goroutine per host owns the host's state; others only feed it.
//
// What a run leaves when it is killed is found and removed by [Collect].
package libvirt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/rs/zerolog"
	"libvirt.org/go/libvirtxml"

	"github.com/fleetfall/fleetfall/internal/daemonuri"
	"github.com/fleetfall/fleetfall/internal/tool"
	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemon"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/workdir"
	"github.com/fleetfall/fleetfall/vmimages"
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

// Facts is what a run's provenance tells of the hypervisor.
type Facts struct {
	Node        string      `json:"node,omitempty"` // name of the machine; empty for the only one
	URI         string      `json:"uri"`
	Private     bool        `json:"private"` // the daemon was started by this run
	Account     string      `json:"account"` // whom QEMU runs as, for people
	Libvirt     string      `json:"libvirt"` // version
	QEMU        string      `json:"qemu"`    // version
	Kernel      string      `json:"kernel"`  // release of the machine's own kernel
	CPU         string      `json:"cpu"`     // model name
	Accelerator Accelerator `json:"accelerator"`
	CommandLine []string    `json:"command_line,omitempty"` // of the first QEMU that ran
}

// A Hypervisor is a machine on which fleets' VMs run. Its methods may be called from any goroutine.
type Hypervisor struct {
	cfg     Config
	uri     daemonuri.URI
	work    *workdir.Dir
	daemon  *daemon.Daemon  // nil when the daemon is not ours
	account account.Account // under which QEMU runs, where that is known
	place   place
	files   storage.Files
	local   *storage.Local // files; nil when they are another machine's
	shelf   template.Shelf
	log     zerolog.Logger
	line    *connect.Lifeline
	dumps   chan struct{} // holds one item while a VM's memory is dumped

	mu        sync.Mutex
	fleets    map[fleet.Fleet]bool
	templates map[templateKind]*template.Template
	images    map[string]vmimages.Image // as QEMU finds them, by digest
	made      int                       // fleets so far; a part of their domains' names
	facts     Facts
	cpus      int
	closed    bool
}

// Open connects to the daemon, after starting it when it is to be private. What is missing on the machine is reported
// as a *backend.PrerequisiteError.
func Open(ctx context.Context, cfg Config) (h *Hypervisor, err error) {
	if !workdir.ValidRunID(cfg.RunID) {
		return nil, fmt.Errorf("open hypervisor: run ID %q: want 6 to 16 lower-case letters and digits", cfg.RunID)
	}
	h = &Hypervisor{
		cfg: cfg, log: cfg.Log, fleets: make(map[fleet.Fleet]bool),
		templates: make(map[templateKind]*template.Template), images: make(map[string]vmimages.Image),
		dumps: make(chan struct{}, 1),
	}
	if cfg.URI != "" {
		if h.uri, err = daemonuri.Parse(cfg.URI); err != nil {
			return nil, err
		}
	}
	if err := needTools(cfg.URI == "", h.remote()); err != nil {
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
			h.log.Warn().Err(err).Msg("how a QEMU ends will not be known")
		}
	}
	if h.work, err = workdir.Create(cfg.work()); err != nil {
		return h, err
	}
	h.account = h.work.Account
	conn, err := h.connect(ctx)
	if err != nil {
		return h, err
	}
	h.line = connect.NewLifeline(conn, h.connect, cfg.Reconnect, h.log.With().Str("node", cfg.Node).Logger())
	if h.remote() {
		files, err := storage.OpenRemote(ctx, h.line, cfg.Store)
		if err != nil {
			return h, err
		}
		shelf := template.NewNotes(files, cfg.RunID)
		h.files, h.shelf, h.place = files, shelf, &there{files, shelf, h.line, cfg.RunID}
	} else {
		if h.daemon == nil {
			if err = h.serve(ctx, conn); err != nil {
				return h, err
			}
		}
		h.local = storage.NewLocal(h.work, h.account)
		h.files, h.shelf, h.place = h.local, template.NewCache(cfg.Cache, h.local), &here{h.work}
	}
	return h, h.learnFacts(ctx)
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
	if h.account, err = conn.Account(ctx); err != nil {
		return fmt.Errorf("open hypervisor: whose daemon is it: %w", err)
	}
	if err := h.work.Admit(h.account); err != nil {
		return fmt.Errorf("open hypervisor: %w", err)
	}
	return nil
}

// Local tells whether the VMs run on this machine.
func (h *Hypervisor) Local() bool { return !h.remote() }

// CPUs is how many the machine has.
func (h *Hypervisor) CPUs() int { return h.cpus }

// remote tells whether the daemon's machine is another one.
func (h *Hypervisor) remote() bool { return h.uri.Remote }

// connect connects to the daemon, after starting it when it is private and does not run.
func (h *Hypervisor) connect(ctx context.Context) (*connect.Connection, error) {
	uri := h.cfg.URI
	if uri == "" {
		if h.daemon == nil || h.daemon.Ended() {
			d, err := daemon.Start(ctx, h.work.Path, h.work.Users(), h.account)
			if err != nil {
				return nil, err
			}
			h.daemon = d
		}
		uri = h.daemon.URI()
	}
	conn, err := connect.Open(ctx, uri, h.work.Ours(""), h.daemonGone())
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

// image is an image with paths that this hypervisor's QEMU can open.
func (h *Hypervisor) image(ctx context.Context, image vmimages.Image) (vmimages.Image, error) {
	h.mu.Lock()
	placed, ok := h.images[image.Digest]
	h.mu.Unlock()
	if ok {
		return placed, nil
	}
	placed, err := h.place.image(ctx, image)
	if err != nil {
		return image, fmt.Errorf("image %s: %w", image.Name, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.images[image.Digest] = placed
	return placed, nil
}

// Machine describes the machine as it is now.
func (h *Hypervisor) Machine(ctx context.Context) (admission.Machine, error) {
	m, err := h.place.machine(ctx)
	if err != nil {
		return m, fmt.Errorf("look at machine %s: %w", h.cfg.Node, err)
	}
	m.Name, m.CPUs = h.cfg.Node, h.cpus
	if h.daemon == nil {
		m.Files = 0 // only a daemon of our own is known to have our limit on open files
	}
	// The daemon knows its machine by the hardware's UUID, however it is reached.
	err = h.line.Call(ctx, "ask for the machine's UUID", connect.CallTime, func(l *golibvirt.Libvirt) error {
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

func (h *Hypervisor) forget(f fleet.Fleet) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.fleets, f)
}

// recordCommandLine keeps the command line of the first QEMU that runs.
func (h *Hypervisor) recordCommandLine(domain string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.facts.CommandLine == nil {
		if qemu, err := qemu.OfDomain(domain); err == nil {
			h.facts.CommandLine = qemu.Args
		}
	}
}

// needTools looks for the programs that this package runs.
func needTools(private, remote bool) error {
	var tools []struct{ name, pkg string }
	if !remote {
		tools = append(tools, struct{ name, pkg string }{"qemu-img", "qemu-utils"})
	}
	if private {
		tools = append(tools, struct{ name, pkg string }{"libvirtd", "libvirt-daemon-system"},
			struct{ name, pkg string }{"qemu-system-x86_64", "qemu-system-x86"})
	}
	for _, t := range tools {
		if _, err := tool.Find(t.name); err != nil {
			return &backend.PrerequisiteError{What: t.name + " is not installed", How: "apt-get install " + t.pkg, Err: err}
		}
	}
	return nil
}

func (h *Hypervisor) daemonGone() <-chan struct{} {
	if h.daemon == nil {
		return nil
	}
	return h.daemon.Exited
}

func (h *Hypervisor) learnFacts(ctx context.Context) error {
	var library, hypervisor uint64
	var cpus int32
	// The first question of all: a daemon that has just started asks QEMU itself what it can do before it answers.
	err := h.line.Call(ctx, "ask for versions", connect.CreateTime, func(l *golibvirt.Libvirt) (err error) {
		if library, err = l.ConnectGetLibVersion(); err == nil {
			hypervisor, err = l.ConnectGetVersion()
		}
		if err == nil {
			_, _, cpus, _, _, _, _, _, err = l.NodeGetInfo()
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("open hypervisor: %w", err)
	}
	h.cpus = max(1, int(cpus))
	kernel, model := kernelRelease(), cpuModel()
	if h.remote() {
		kernel, model = "not known", "not known"
	}
	uri, whom := h.cfg.URI, h.account.String()
	if h.daemon != nil {
		uri = h.daemon.URI()
	}
	if h.remote() {
		whom = "as that machine's daemon has it"
	}
	h.facts = Facts{
		Node: h.cfg.Node, URI: uri, Account: whom, Private: h.daemon != nil, Libvirt: version(library), QEMU: version(hypervisor),
		Kernel: kernel, CPU: model,
		Accelerator: Accelerator{Name: TCG, Reason: "not probed"},
	}
	return nil
}

// version writes libvirt's number for a version, major*1,000,000 + minor*1,000 + release, as text.
func version(n uint64) string { return fmt.Sprintf("%d.%d.%d", n/1e6, n/1e3%1e3, n%1e3) }

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

// Facts tells what the VMs run on.
func (h *Hypervisor) Facts() Facts {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.facts
}

// maxQEMULog is more than the bytes that QEMU and libvirt write about a domain: its command line, mostly.
const maxQEMULog = 1 << 20

// qemuLastWords is the end of what QEMU wrote about a domain, where the daemon is ours and keeps it.
func (h *Hypervisor) qemuLastWords(domain string) string {
	if h.daemon == nil {
		return "its log is with a libvirt daemon that is not ours"
	}
	text, err := h.work.ReadMade(daemon.LogFile(domain), h.account, maxQEMULog)
	if err != nil {
		return "it left no word"
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return guestlink.Clip(lines[len(lines)-1], 500)
}

// Close closes every fleet that is still open, ends the private daemon and removes the work directory. It is
// idempotent; after an error because ctx ended, it can be called again to finish.
func (h *Hypervisor) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	open := make([]fleet.Fleet, 0, len(h.fleets))
	for f := range h.fleets {
		open = append(open, f)
	}
	h.mu.Unlock()
	var errs []error
	for _, f := range open {
		errs = append(errs, f.Close(ctx))
	}
	return errors.Join(append(errs, h.release(ctx))...)
}

// release gives back everything but fleets, in the reverse order of Open.
func (h *Hypervisor) release(ctx context.Context) error {
	var errs []error
	abandoned := h.remote() && h.line != nil && h.line.Reason() != nil
	if h.place != nil && !abandoned {
		if err := h.place.close(ctx); err != nil {
			errs = append(errs, err)
		} else {
			h.place = nil // Close may be called again, when there is no connection any more
		}
	}
	if h.line != nil {
		errs = append(errs, h.line.Close(ctx))
	}
	if h.daemon != nil {
		errs = append(errs, h.daemon.Stop(ctx))
	}
	if abandoned {
		// The work directory stays, and says where to look: fleetfall gc does so once this process has ended.
		h.log.Warn().Str("node", h.cfg.Node).Str("uri", h.cfg.URI).
			Msg("the machine was given up with hosts on it; fleetfall gc removes them once it can be reached")
		return errors.Join(errs...)
	}
	if h.work != nil {
		// No VM is left unless its end failed above: then this ends it the hard way, on this machine. By the work directory alone
		// fleetfall gc finds what stays in spite of that.
		err := qemu.EndAll(ctx, h.work.Path, h.cfg.RunID)
		h.mu.Lock()
		left := h.remote() && len(h.fleets) > 0
		h.mu.Unlock()
		if err == nil && !left {
			err = h.work.Remove()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
