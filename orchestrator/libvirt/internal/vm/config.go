package vm

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/agents/architecture"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/vmimages"
)

// FleetConfig describes a fleet.
type FleetConfig struct {
	Cell         string      // what the fleet is for, shown by tools that list domains
	Clock        fleet.Clock // what the fleet's time is made of; "" is the wall clock
	Seed         uint64      // of what hosts draw for each boot: phases, layout and, on the virtual clock, entropy
	Hosts        []fleet.HostSpec
	Images       map[string]vmimages.Image // by the name that HostSpec.Image has
	ConsoleDir   string                    // consoles are kept in <ConsoleDir>/<host>/console.log; "" keeps none
	HelloTimeout time.Duration             // from Booting to BootFailed; 0 is 60 s
	FirstByte    time.Duration             // from Booting to InfraFailed, for a host that boots and whose console is silent; 0 is 20 s
	Liveness     time.Duration             // after which a silent host counts as hung; one that could not be heard for so long is InfraFailed; 0 is 30 s
}

const (
	DefaultHello     = 60 * time.Second
	DefaultFirstByte = 20 * time.Second
	DefaultLiveness  = 30 * time.Second
	minMemory        = 32 << 20 // bytes of a guest's memory
	maxMemory        = 64 << 30
)

var validHost = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$`)

// Check refuses what no fleet could be, on these machines.
func Check(on Sites, cfg FleetConfig) error {
	if len(on) == 0 {
		return errors.New("no machines")
	}
	if len(cfg.Hosts) == 0 {
		return errors.New("no hosts")
	}
	if cfg.HelloTimeout < 0 || cfg.FirstByte < 0 || cfg.Liveness < 0 {
		return fmt.Errorf("hello timeout %v, first byte %v, liveness %v: want 0 or more",
			cfg.HelloTimeout, cfg.FirstByte, cfg.Liveness)
	}
	seen := make(map[string]bool)
	type opened struct {
		at   *Site
		path string
	}
	readable := make(map[opened]bool)
	for i, s := range cfg.Hosts {
		image, known := cfg.Images[s.Image]
		h := on.Of(s.Node)
		switch {
		case !validHost.MatchString(s.Name):
			return fmt.Errorf("host %d: name %q: want 1 to 40 lower-case letters, digits and dashes", i, s.Name)
		case seen[s.Name]:
			return fmt.Errorf("host %d: name %s is taken", i, s.Name)
		case h == nil:
			return fmt.Errorf("host %s: no machine is named %q", s.Name, s.Node)
		case !slices.Contains(architecture.Names(), s.Architecture):
			return fmt.Errorf("host %s: architecture %q: VMs run %v", s.Name, s.Architecture, architecture.Names())
		case s.Oops != "" && s.Oops != fleet.OopsPanic && s.Oops != fleet.OopsKill:
			return fmt.Errorf("host %s: oops %q: want %q or %q", s.Name, s.Oops, fleet.OopsPanic, fleet.OopsKill)
		case !known:
			return fmt.Errorf("host %s: image %q is not among those given", s.Name, s.Image)
		case s.MemoryBytes < minMemory || s.MemoryBytes > maxMemory:
			return fmt.Errorf("host %s: %d bytes of memory: want %d to %d", s.Name, s.MemoryBytes, minMemory, int64(maxMemory))
		case s.Tempo.Beat <= 0 || s.Tempo.Poll <= 0 || s.Tempo.Work <= 0 || s.Tempo.Threat <= 0:
			return fmt.Errorf("host %s: tempo %+v: want every interval above 0", s.Name, s.Tempo)
		}
		seen[s.Name] = true
		for _, path := range []string{image.Kernel, image.Initrd, image.Disk} {
			if readable[opened{h, path}] {
				continue
			}
			if err := h.Place.readable(path); err != nil {
				return fmt.Errorf("image %s: %w", s.Image, err)
			}
			readable[opened{h, path}] = true
		}
	}
	return nil
}

// Accept tells why a fleet does not take an action, nil when it does: ctx has ended, or the fleet's own life; it has no
// such host; or it does not claim to be able to.
func Accept(ctx, life context.Context, a fleet.Action, known bool, caps fleet.Caps) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case life.Err() != nil:
		return fleet.ErrClosed
	case !known:
		return fmt.Errorf("%s %q: %w", a.Kind(), a.Target(), fleet.ErrUnknownHost)
	}
	return caps.Refuse(a)
}
