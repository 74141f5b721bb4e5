package libvirt

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/vmimages"
)

// Names of accelerators, as in fleet.Caps.
const (
	KVM = "kvm"
	TCG = "tcg" // QEMU's emulation
)

// probeTime is how long an image may take to say hello under KVM, where it takes some two seconds.
const probeTime = 20 * time.Second

// newVerdict begins the name of a verdict that is being written.
const newVerdict = ".accelerator-"

// An Accelerator is how guests' instructions are executed, and why so.
type Accelerator struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// A verdict is what the cache keeps of a probe.
type verdict struct {
	Accelerator
	Kernel string `json:"kernel"`
	QEMU   string `json:"qemu"`
	CPU    string `json:"cpu"`
	Image  string `json:"image"`  // digest
	Device string `json:"device"` // /dev/kvm's mode and owners, and whose daemon uses it: a verdict ends when they change
}

// Probe finds out whether this image runs under KVM by booting it there, because a /dev/kvm that opens, and that
// libvirt advertises, may still be unable to run a kernel. The fleets made from now on use what it found. The verdict
// is kept in Config.Cache for this kernel, QEMU, CPU, image and access to /dev/kvm. With Config.Emulate nothing is tried.
func (h *Hypervisor) Probe(ctx context.Context, image vmimages.Image) (Accelerator, error) {
	if h.cfg.Emulate {
		return h.accelerate(Accelerator{TCG, "the virtual clock counts the instructions of emulated CPUs"}), nil
	}
	f := h.Facts()
	v := verdict{Kernel: f.Kernel, QEMU: f.QEMU, CPU: f.CPU, Image: image.Digest, Device: describeDevice(f)}
	if h.remote() {
		v.Device = f.URI
	}
	path := h.verdictPath(v)
	if cached, ok := readVerdict(path); ok {
		v.Accelerator = cached
	} else {
		var fresh bool
		var err error
		if v.Accelerator, fresh, err = h.tryKVM(ctx, image); err != nil {
			return Accelerator{}, fmt.Errorf("probe accelerator: %w", err)
		}
		if fresh && path != "" {
			if err := writeVerdict(path, v); err != nil {
				h.log.Warn().Err(err).Msg("the accelerator's verdict is not kept")
			}
		}
	}
	return h.accelerate(v.Accelerator), nil
}

// accelerate has the fleets made from now on use what was found.
func (h *Hypervisor) accelerate(a Accelerator) Accelerator {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.facts.Accelerator = a
	return a
}

// describeDevice tells what decides about who may use /dev/kvm.
func describeDevice(f Facts) string {
	daemon := f.URI
	if f.Private {
		daemon = "private"
	}
	info, err := os.Stat("/dev/kvm")
	if err != nil {
		return daemon + " without device"
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return daemon
	}
	return fmt.Sprintf("%s %v %d:%d", daemon, info.Mode(), stat.Uid, stat.Gid)
}

// tryKVM boots the image under KVM. fresh tells whether that was tried, and so worth to be kept.
func (h *Hypervisor) tryKVM(ctx context.Context, image vmimages.Image) (_ Accelerator, fresh bool, err error) {
	if !h.remote() {
		device, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
		if err != nil {
			return Accelerator{TCG, "no KVM: " + err.Error()}, false, nil
		}
		if err := device.Close(); err != nil {
			return Accelerator{}, false, err
		}
		if err := h.account.canUse("/dev/kvm"); err != nil {
			return Accelerator{TCG, "no KVM: " + err.Error()}, false, nil
		}
	}
	f, err := newFleet(Machines{h}, FleetConfig{
		Cell: "probe", Images: map[string]vmimages.Image{image.Name: image}, HelloTimeout: probeTime,
		Hosts: []fleet.HostSpec{{
			Name: "probe", Architecture: "none", Image: image.Name, MemoryBytes: 128 << 20,
			Tempo: fleet.Tempo{Beat: time.Minute, Poll: time.Minute, Work: time.Minute, Threat: time.Minute},
		}},
	}, KVM)
	if err != nil {
		return Accelerator{}, false, err
	}
	defer func() {
		cleanup, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, f.Close(cleanup))
	}()
	if err := f.Do(ctx, fleet.Boot{Host: "probe", Mode: fleet.Safe}); err != nil {
		return Accelerator{}, false, err
	}
	for {
		e, err := f.Next(ctx)
		if err != nil {
			return Accelerator{}, false, err
		}
		failed := "a real boot under KVM failed: "
		switch what := e.What.(type) {
		case fleet.Hello:
			return Accelerator{KVM, "the image booted under it"}, true, nil
		case fleet.BootFailed:
			return Accelerator{TCG, failed + what.Reason}, true, nil
		case fleet.Panic:
			return Accelerator{TCG, failed + what.Title}, true, nil
		case fleet.PoweredOff:
			return Accelerator{TCG, failed + "the guest switched itself off"}, true, nil
		case fleet.InfraFailed:
			if e.Host == "" { // the daemon, not KVM
				return Accelerator{}, false, &fleet.InfraError{Op: what.Op, Err: errors.New(what.Reason)}
			}
			return Accelerator{TCG, failed + what.Op + ": " + what.Reason}, true, nil
		}
	}
}

// verdictPath names a verdict by all that it depends on; "" without a cache.
func (h *Hypervisor) verdictPath(v verdict) string {
	if h.cfg.Cache == "" {
		return ""
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %q %q", v.Kernel, v.QEMU, v.CPU, v.Image, v.Device))
	return filepath.Join(h.cfg.Cache, fmt.Sprintf("accelerator-%x.json", key[:8]))
}

func readVerdict(path string) (Accelerator, bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Accelerator{}, false
	}
	var v verdict
	if err := json.Unmarshal(text, &v); err != nil || v.Name != KVM && v.Name != TCG {
		return Accelerator{}, false // it is made again
	}
	v.Reason += " (tried before; kept in " + path + ")"
	return v.Accelerator, true
}

func writeVerdict(path string, v verdict) error {
	text, err := json.MarshalIndent(v, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	written, err := writeToCache(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer written()
	file, err := os.CreateTemp(filepath.Dir(path), newVerdict+"*")
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	if err = errors.Join(err, file.Chmod(0o644), file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return nil
}
