package libvirt

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/cache"
	"github.com/fleetfall/fleetfall/vmimages"
)

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
// libvirt advertises, may still be unable to run a kernel. The fleets made from now on use what it found. A verdict
// that is proven is kept in Config.Cache for this kernel, QEMU, CPU, image and access to /dev/kvm; see race for what
// proves one. With Config.Emulate nothing is tried.
func (h *Hypervisor) Probe(ctx context.Context, image vmimages.Image) (Accelerator, error) {
	if h.cfg.Emulate {
		return h.accelerate(Accelerator{TCG, "the virtual clock counts the instructions of emulated CPUs"}), nil
	}
	f := h.Facts()
	daemon := f.URI
	if f.Private {
		daemon = "private"
	}
	device, unusable := h.site.Place.KVM(daemon)
	v := verdict{Kernel: f.Kernel, QEMU: f.QEMU, CPU: f.CPU, Image: image.Digest, Device: device}
	a, err := keptVerdict(h.verdictPath(v), v, func() (Accelerator, bool, error) {
		if unusable != nil {
			return Accelerator{TCG, "no KVM: " + unusable.Error()}, false, nil
		}
		return h.tryout(ctx, image, KVM)
	}, func(err error) {
		h.site.Log.Warn().Err(err).Msg("the accelerator's verdict is not kept")
	})
	if err != nil {
		return Accelerator{}, fmt.Errorf("probe accelerator: %w", err)
	}
	return h.accelerate(a), nil
}

// keptVerdict is the verdict at path or, when none is kept there, that of a try, which is kept if it is proven. lost
// is told that it could not be. Nothing is kept at the path "".
func keptVerdict(path string, v verdict, try func() (a Accelerator, proven bool, err error), lost func(error)) (Accelerator, error) {
	if cached, ok := readVerdict(path); ok {
		return cached, nil
	}
	var proven bool
	var err error
	if v.Accelerator, proven, err = try(); err != nil {
		return Accelerator{}, err
	}
	if proven && path != "" {
		if err := writeVerdict(path, v); err != nil {
			lost(err)
		}
	}
	return v.Accelerator, nil
}

// accelerate has the fleets made from now on use what was found.
func (h *Hypervisor) accelerate(a Accelerator) Accelerator {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.facts.Accelerator = a
	h.site.Accelerate(a.Name)
	return a
}

// verdictPath names a verdict by all that it depends on; "" without a cache.
func (h *Hypervisor) verdictPath(v verdict) string {
	if h.cfg.Cache == "" {
		return ""
	}
	// Verdicts of another making, which a busy machine may have given, are not found.
	key := sha256.Sum256(fmt.Appendf(nil, "2 %q %q %q %q %q", v.Kernel, v.QEMU, v.CPU, v.Image, v.Device))
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
	written, err := cache.Write(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer written()
	file, err := os.CreateTemp(filepath.Dir(path), cache.NewVerdict+"*")
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
