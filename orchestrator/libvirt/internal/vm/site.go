// Package vm is one VM on a site: a domain that is made, from nothing or as a copy of a template, heard, and ended. A
// Site is a machine on which VMs run, as far as they and their hosts need it. What a host makes of what is heard is
// not known here.
package vm

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

// A Site is a machine on which VMs run, as far as they and their hosts need it. Its methods may be called from any
// goroutine.
type Site struct {
	node    string // name of the machine in hosts' specs; "" for the only one
	RunID   string // of the run
	private bool   // the daemon is the run's own
	CPUs    int
	Log     zerolog.Logger

	Line    *connect.Lifeline
	Work    *workdir.Dir
	Account account.Account // under which QEMU runs, where that is known
	Place   Place
	Files   storage.Files
	Local   *storage.Local // files; nil when they are another machine's
	dumps   chan struct{}  // holds one item while a VM's memory is dumped

	mu          sync.Mutex
	accelerator string // of fleets that are made from now on
	templates   map[Kind]*template.Template
	images      map[string]vmimages.Image // as QEMU finds them, by digest
	fleets      map[fleet.Fleet]bool
	slots       chan struct{} // see Slots
	made        int           // fleets so far; a part of their domains' names
	closed      bool          // no more are made
	commandLine []string      // of the first QEMU that ran
}

// NewSite is a site that has to be given its line, its place and its files. private says that its daemon is the run's
// own.
func NewSite(node, runID string, private bool, log zerolog.Logger) *Site {
	return &Site{
		node: node, RunID: runID, private: private, Log: log, accelerator: TCG, dumps: make(chan struct{}, 1),
		templates: map[Kind]*template.Template{}, images: map[string]vmimages.Image{}, fleets: map[fleet.Fleet]bool{},
	}
}

// Sites are what a fleet's hosts are spread over, by the node that each host's spec names.
type Sites []*Site

// Of returns the machine of this name; nil when there is none. The first is also the one without a name.
func (all Sites) Of(node string) *Site {
	for _, s := range all {
		if s.node == node || node == "" {
			return s
		}
	}
	return nil
}

// Image is an image with paths that this site's QEMU can open.
func (s *Site) Image(ctx context.Context, image vmimages.Image) (vmimages.Image, error) {
	s.mu.Lock()
	placed, ok := s.images[image.Digest]
	s.mu.Unlock()
	if ok {
		return placed, nil
	}
	placed, err := s.Place.Image(ctx, image)
	if err != nil {
		return image, fmt.Errorf("image %s: %w", image.Name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.images[image.Digest] = placed
	return placed, nil
}

// SetTemplate makes hosts of a kind copies of a template; with nil, boot.
func (s *Site) SetTemplate(kind Kind, t *template.Template) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.templates[kind] = t
}

// TemplateFor is the template that a boot of a host is a copy of: on the wall clock, its first. nil when it is a real
// boot.
func (s *Site) TemplateFor(spec fleet.HostSpec, clock fleet.Clock, mode fleet.BootMode) *template.Template {
	if spec.Cold {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.templates[KindOf(spec, clock, mode)]
}

// Join makes a fleet one of the hypervisor's, and returns its number there.
func (s *Site) Join(f fleet.Fleet) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, errors.New("the hypervisor is closed")
	}
	s.made++
	s.fleets[f] = true
	return s.made, nil
}

// Forget undoes Join.
func (s *Site) Forget(f fleet.Fleet) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.fleets, f)
}

// Close keeps fleets from being made, and returns those that are open.
func (s *Site) Close() []fleet.Fleet {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return slices.Collect(maps.Keys(s.fleets))
}

// Used tells whether a fleet is open.
func (s *Site) Used() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.fleets) > 0
}

// Accelerate says how the instructions of guests are executed from now on; Executes tells.
func (s *Site) Accelerate(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.accelerator = name
}

// Executes tells how the instructions of guests are executed: KVM or TCG.
func (s *Site) Executes() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accelerator
}

// RecordCommandLine keeps the command line of the first QEMU that runs.
func (s *Site) RecordCommandLine(domain string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.commandLine == nil {
		if qemu, err := qemu.OfDomain(domain); err == nil {
			s.commandLine = qemu.Args
		}
	}
}

// Ran is the command line that was kept; nil before a QEMU has run.
func (s *Site) Ran() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commandLine
}
