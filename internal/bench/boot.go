package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/u-root/u-root/pkg/cpio"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
	"github.com/fleetfall/fleetfall/vmimages"
)

// ready is what the bare machine's init says.
const ready = "bare machine is up"

// A bareBoot is the same kernel with the least user space there is, straight under QEMU.
type bareBoot struct {
	kernel, initrd string
}

func newBareBoot(scratch string, image vmimages.Image) (*bareBoot, error) {
	busybox, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return nil, fmt.Errorf("%w; apt-get install busybox-static", err)
	}
	path := filepath.Join(scratch, "bare")
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	w := cpio.Newc.Writer(f)
	for _, r := range []cpio.Record{
		cpio.Directory("bin", 0o755), cpio.Directory("dev", 0o755), cpio.CharDev("dev/console", 0o600, 5, 1),
		cpio.StaticFile("bin/busybox", string(busybox), 0o755),
		cpio.StaticFile("init", "#!/bin/busybox sh\necho "+ready+"\nexec /bin/busybox sleep 1000\n", 0o755),
	} {
		if err := w.WriteRecord(cpio.MakeReproducible(r)); err != nil {
			return nil, err
		}
	}
	return &bareBoot{image.Kernel, path}, errors.Join(cpio.WriteTrailer(w), f.Close())
}

func (b *bareBoot) boot(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg", "-m", "96", "-display", "none",
		"-nodefaults", "-serial", "stdio", "-kernel", b.kernel, "-initrd", b.initrd, "-append", "console=ttyS0 quiet panic=0")
	out, err := c.StdoutPipe()
	if err != nil {
		return 0, err
	}
	start := time.Now()
	if err := c.Start(); err != nil {
		return 0, err
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), ready) {
			took := time.Since(start)
			cancel()
			_ = c.Wait() // it was killed
			return took, nil
		}
	}
	return 0, fmt.Errorf("the bare machine never said that it is up: %w", c.Wait())
}

// A hostBoot is one host of a fleet, as a run boots it.
type hostBoot struct {
	hypervisor *libvirt.Hypervisor
	fleet      fleet.Fleet
}

func newHostBoot(ctx context.Context, image vmimages.Image) (*hostBoot, error) {
	h, err := libvirt.Open(ctx, libvirt.Config{RunID: strings.ToLower(rand.Text()[:8]), Log: zerolog.Nop()})
	if err != nil {
		return nil, err
	}
	f, err := h.NewFleet(libvirt.FleetConfig{
		Cell: "bench", Images: map[string]vmimages.Image{image.Name: image},
		Hosts: []fleet.HostSpec{{
			Name: "a", Architecture: "kernel", Image: image.Name, MemoryBytes: 96 << 20,
			Tempo: fleet.Tempo{Beat: time.Second, Poll: time.Minute, Work: time.Second, Threat: time.Second},
		}},
	})
	if err != nil {
		return nil, errors.Join(err, h.Close(ctx))
	}
	return &hostBoot{h, f}, nil
}

// boot powers the host on and returns the time to its first beat.
func (b *hostBoot) boot(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	start := time.Now()
	if err := b.fleet.Do(ctx, fleet.Boot{Host: "a", Mode: fleet.Normal}); err != nil {
		return 0, err
	}
	if err := await(ctx, b.fleet, func(e fleet.Event) bool { _, ok := e.What.(fleet.Beat); return ok }); err != nil {
		return 0, fmt.Errorf("boot a host: %w", err)
	}
	took := time.Since(start)
	if err := b.fleet.Do(ctx, fleet.PowerOff{Host: "a"}); err != nil {
		return 0, err
	}
	return took, await(ctx, b.fleet, func(e fleet.Event) bool { _, ok := e.What.(fleet.PoweredOff); return ok })
}

func (b *hostBoot) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if err := errors.Join(b.fleet.Close(ctx), b.hypervisor.Close(ctx)); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
	}
}
