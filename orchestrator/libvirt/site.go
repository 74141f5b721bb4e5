package libvirt

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/rs/zerolog"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/template"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/workdir"
	"github.com/fleetfall/fleetfall/vmimages"
)

// A site is a machine on which VMs run, as far as they and their hosts need it. Its methods may be called from any goroutine.
type site struct {
	node    string // name of the machine in hosts' specs; "" for the only one
	runID   string // of the run
	private bool   // the daemon is the run's own
	cpus    int
	log     zerolog.Logger

	line    *connect.Lifeline
	work    *workdir.Dir
	account account.Account // under which QEMU runs, where that is known
	place   place
	files   storage.Files
	local   *storage.Local // files; nil when they are another machine's
	dumps   chan struct{}  // holds one item while a VM's memory is dumped

	mu          sync.Mutex
	accelerator string // of fleets that are made from now on
	templates   map[templateKind]*template.Template
	images      map[string]vmimages.Image // as QEMU finds them, by digest
	fleets      map[fleet.Fleet]bool
	made        int      // fleets so far; a part of their domains' names
	closed      bool     // no more are made
	commandLine []string // of the first QEMU that ran
}

func newSite(node, runID string, private bool, log zerolog.Logger) *site {
	return &site{
		node: node, runID: runID, private: private, log: log, accelerator: tcg, dumps: make(chan struct{}, 1),
		templates: map[templateKind]*template.Template{}, images: map[string]vmimages.Image{}, fleets: map[fleet.Fleet]bool{},
	}
}

// sites are what a fleet's hosts are spread over, by the node that each host's spec names.
type sites []*site

// of returns the machine of this name; nil when there is none. The first is also the one without a name.
func (all sites) of(node string) *site {
	for _, s := range all {
		if s.node == node || node == "" {
			return s
		}
	}
	return nil
}

// image is an image with paths that this hypervisor's QEMU can open.
func (s *site) image(ctx context.Context, image vmimages.Image) (vmimages.Image, error) {
	s.mu.Lock()
	placed, ok := s.images[image.Digest]
	s.mu.Unlock()
	if ok {
		return placed, nil
	}
	placed, err := s.place.image(ctx, image)
	if err != nil {
		return image, fmt.Errorf("image %s: %w", image.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.images[image.Digest] = placed
	return placed, nil
}

// setTemplate makes hosts of a kind copies of a template; with nil, boot.
func (s *site) setTemplate(kind templateKind, t *template.Template) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.templates[kind] = t
}

// templateFor is the template that a boot of a host is a copy of: on the wall clock, its first. nil when it is a real boot.
func (s *site) templateFor(spec fleet.HostSpec, clock fleet.Clock, mode fleet.BootMode) *template.Template {
	if spec.Cold {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.templates[kindOf(spec, clock, mode)]
}

// join makes a fleet one of the hypervisor's, and returns its number there.
func (s *site) join(f fleet.Fleet) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, errors.New("the hypervisor is closed")
	}
	s.made++
	s.fleets[f] = true
	return s.made, nil
}

func (s *site) forget(f fleet.Fleet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.fleets, f)
}

// close keeps fleets from being made, and returns those that are open.
func (s *site) close() []fleet.Fleet {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return slices.Collect(maps.Keys(s.fleets))
}

// used tells whether a fleet is open.
func (s *site) used() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.fleets) > 0
}

// accelerate says how the instructions of guests are executed from now on; executes tells.
func (s *site) accelerate(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accelerator = name
}

func (s *site) executes() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accelerator
}

// recordCommandLine keeps the command line of the first QEMU that runs.
func (s *site) recordCommandLine(domain string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.commandLine == nil {
		if qemu, err := qemu.OfDomain(domain); err == nil {
			s.commandLine = qemu.Args
		}
	}
}

// ran is the command line that was kept; nil before a QEMU has run.
func (s *site) ran() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commandLine
}
