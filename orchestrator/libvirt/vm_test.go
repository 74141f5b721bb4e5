package libvirt

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/qemu"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/vm"
	"github.com/fleetfall/fleetfall/vmimages"
)

// What is built once for all tests of this binary, and removed by TestMain.
var scratch struct {
	sync.Once
	dir   string
	image vmimages.Image // the tiny image with the hostile guest in the place of its own
	tiny  vmimages.Image
	err   error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if scratch.dir != "" {
		if err := os.RemoveAll(scratch.dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// images returns the tiny image as shipped, and with the hostile guest as PID 1.
func images(t testing.TB) (tiny, hostile vmimages.Image) {
	t.Helper()
	capability.VMs(t)
	scratch.Do(func() { scratch.err = buildImages() })
	capability.Need(t, scratch.err == nil, fmt.Sprintf("an image (%v)", scratch.err), "see vmimages")
	return scratch.tiny, scratch.image
}

func buildImages() error {
	var err error
	if scratch.dir, err = os.MkdirTemp("/var/tmp", "fft-"); err != nil {
		return err
	}
	if err := os.Chmod(scratch.dir, 0o755); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if scratch.tiny, err = vmimages.Build(ctx, "tiny", vmimages.Options{}); err != nil {
		return err
	}
	program := filepath.Join(scratch.dir, "hostile")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "./internal/hostile")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the hostile guest: %w\n%s", err, output)
	}
	init, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	initrd, err := os.ReadFile(scratch.tiny.Initrd)
	if err != nil {
		return err
	}
	// Archives may be concatenated; a later file replaces an earlier one of its name.
	for len(initrd)%4 != 0 {
		initrd = append(initrd, 0)
	}
	initrd = appendCPIO(initrd, "init", init)
	initrd = appendCPIO(initrd, "TRAILER!!!", nil)
	scratch.image = scratch.tiny
	digest := sha256.Sum256(initrd)
	scratch.image.Name, scratch.image.Digest = "hostile", "sha256:"+hex.EncodeToString(digest[:])
	scratch.image.Initrd = filepath.Join(scratch.dir, "initrd")
	return os.WriteFile(scratch.image.Initrd, initrd, 0o644)
}

// appendCPIO appends one file in the "newc" format, see the kernel's
// Documentation/driver-api/early-userspace/buffer-format.rst.
func appendCPIO(archive []byte, name string, data []byte) []byte {
	pad := func(b []byte) []byte {
		for len(b)%4 != 0 {
			b = append(b, 0)
		}
		return b
	}
	archive = append(archive, "070701"...)
	for _, field := range []int{1, 0o100755, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0} {
		archive = fmt.Appendf(archive, "%08X", field)
	}
	archive = pad(append(append(archive, name...), 0))
	return pad(append(archive, data...))
}

// randomID is a run's, so that what another test or an earlier one has left is not taken for its own.
func randomID() string {
	return strings.ToLower(rand.Text()[:8])
}

// open opens a private hypervisor of a run of its own, and closes it at the test's end, checking that nothing is left.
func open(t *testing.T, change ...func(*Config)) *Hypervisor {
	t.Helper()
	cfg := Config{
		RunID: randomID(), WorkRoot: filepath.Join(scratch.dir, "w"), RunDir: t.TempDir(), Log: zerolog.New(zerolog.NewTestWriter(t)),
		Cache: vmimages.DefaultCache(), // with templates that are shared by all tests, of this package and others
	}
	for _, c := range change {
		c(&cfg)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	h, err := Open(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := h.Close(ctx); err != nil {
			t.Errorf("close hypervisor: %v", err)
		}
		if err := h.Close(ctx); err != nil {
			t.Errorf("close hypervisor again: %v", err)
		}
		checkNothingLeft(t, h)
	})
	return h
}

func checkNothingLeft(t *testing.T, h *Hypervisor) {
	t.Helper()
	left, err := qemu.OfRun(h.site.Work.Path, h.cfg.RunID)
	if err != nil || len(left) > 0 {
		t.Errorf("processes left: %v, %v", left, err)
	}
	if _, err := os.Stat(h.site.Work.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("work directory left: %v", err)
	}
}

// A run is a fleet under test with the events that it has seen.
type run struct {
	t *testing.T
	h *Hypervisor
	fleet.Fleet
	consoles string
	seen     []fleet.Event
}

func start(t *testing.T, h *Hypervisor, image vmimages.Image, hosts int, change ...func(*vm.FleetConfig)) *run {
	t.Helper()
	return startOn(t, Machines{h}, image, hosts, change...)
}

func startOn(t *testing.T, machines Machines, image vmimages.Image, hosts int, change ...func(*vm.FleetConfig)) *run {
	t.Helper()
	cfg := vm.FleetConfig{Cell: "a/b/c/d", Images: map[string]vmimages.Image{image.Name: image}, ConsoleDir: t.TempDir()}
	for i := range hosts {
		cfg.Hosts = append(cfg.Hosts, fleet.HostSpec{
			Name: fmt.Sprintf("host-%d", i), Architecture: "none", Image: image.Name, MemoryBytes: 96 << 20,
			Tempo: fleet.Tempo{Beat: 300 * time.Millisecond, Poll: 300 * time.Millisecond, Work: time.Second, Threat: time.Second},
		})
	}
	for _, c := range change {
		c(&cfg)
	}
	f, err := machines.NewFleet(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &run{t: t, h: machines[0], Fleet: f, consoles: cfg.ConsoleDir}
}

func (r *run) do(actions ...fleet.Action) {
	r.t.Helper()
	for _, a := range actions {
		if err := r.Do(r.t.Context(), a); err != nil {
			r.t.Fatal(err)
		}
	}
}

// await reads events until one is what is wanted, and fails on the testbed's own failures unless one of them is.
func await[T fleet.Happening](r *run, host string, wanted ...func(T) bool) T {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), 90*time.Second)
	defer cancel()
	for {
		e, err := r.Next(ctx)
		if err != nil {
			r.t.Fatalf("waiting for %T of %s: %v; seen:\n%s", *new(T), host, err, r.story())
		}
		if n := len(r.seen); n > 0 && e.At < r.seen[n-1].At {
			r.t.Errorf("%v after %v", e, r.seen[n-1])
		}
		r.seen = append(r.seen, e)
		if what, ok := e.What.(T); ok && e.Host == host {
			match := true
			for _, w := range wanted {
				match = match && w(what)
			}
			if match {
				return what
			}
		}
		if _, bad := e.What.(fleet.InfraFailed); bad {
			r.t.Fatalf("waiting for %T of %s:\n%s", *new(T), host, r.story())
		}
	}
}

// awaitAt is await, and returns when that was.
func awaitAt[T fleet.Happening](r *run, host string, wanted ...func(T) bool) time.Duration {
	r.t.Helper()
	await(r, host, wanted...)
	return r.seen[len(r.seen)-1].At
}

// story is what was seen, the last first, without beats that follow upon a beat of the same host.
func (r *run) story() string {
	var b bytes.Buffer
	beating := map[string]bool{}
	var lines []string
	for _, e := range r.seen {
		_, beat := e.What.(fleet.Beat)
		if !beat || !beating[e.Host] {
			lines = append(lines, fmt.Sprintln(e))
		}
		beating[e.Host] = beat
	}
	for _, line := range slices.Backward(lines) {
		b.WriteString(line)
	}
	return b.String()
}

// count counts the events of a kind and a host seen so far.
func count[T fleet.Happening](r *run, host string) int {
	n := 0
	for _, e := range r.seen {
		if _, ok := e.What.(T); ok && e.Host == host {
			n++
		}
	}
	return n
}

func (r *run) console(host string) string {
	r.t.Helper()
	text, err := os.ReadFile(filepath.Join(r.consoles, host, "console.log"))
	if err != nil {
		r.t.Fatal(err)
	}
	return string(text)
}

func (r *run) close() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := r.Close(ctx); err != nil {
		r.t.Errorf("close: %v", err)
	}
	if left, err := qemu.OfRun("/nowhere", r.h.cfg.RunID); err != nil || len(left) > 0 {
		r.t.Errorf("VMs left after close: %v, %v", left, err)
	}
}
