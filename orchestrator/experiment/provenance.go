package experiment

import (
	"bufio"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
	"github.com/fleetfall/fleetfall/results"
)

// provenance is what the run runs on, as far as it is known before the first trial.
func (r *run) provenance(f libvirt.Facts) results.Provenance {
	facts := []results.Fact{
		{Name: "fleetfall", Value: r.Version},
		{Name: "go", Value: runtime.Version()},
		{Name: "seed", Value: strconv.FormatUint(r.Plan.Seed, 10)},
		{Name: "clock", Value: string(fleet.WallClock)},
		{Name: "accelerator", Value: f.Accelerator.Name + " (" + f.Accelerator.Reason + ")"},
		{Name: "QEMU", Value: f.QEMU},
		{Name: "libvirt", Value: f.Libvirt},
		{Name: "libvirt daemon", Value: daemonKind(f)},
		{Name: "machine", Value: fmt.Sprintf("%d CPUs, %s, kernel %s", runtime.NumCPU(), f.CPU, f.Kernel)},
	}
	if m, err := readMemory(); err == nil {
		facts = append(facts, results.Fact{Name: "memory", Value: fmt.Sprintf("%d MiB, %d MiB available at the start", m.total>>20, m.available>>20)})
	}
	for _, name := range slices.Sorted(maps.Keys(r.images)) {
		image := r.images[name]
		facts = append(facts, results.Fact{
			Name:  imageFact(name),
			Value: fmt.Sprintf("%s, kernel %s, %d bytes, %s", image.Digest, image.KernelRelease, image.Bytes, strings.Join(image.Cmdline, " ")),
		})
	}
	return results.Provenance{Clock: string(fleet.WallClock), Facts: facts}
}

// imageFact names the fact whose value begins with the image's digest and a comma.
func imageFact(name string) string { return "image " + name }

// daemonKind says whose libvirt daemon it was without the path of its socket, which would differ from run to run.
func daemonKind(f libvirt.Facts) string {
	if f.Private {
		return "private to the run"
	}
	return f.URI
}

// A load measures how busy the machine was: on the wall clock contention stretches every time.
type load struct{ busy, total uint64 }

func startLoad() load {
	busy, total, err := readCPU()
	if err != nil {
		return load{}
	}
	return load{busy, total}
}

// facts says how busy the machine was since startLoad.
func (l load) facts() []results.Fact {
	busy, total, err := readCPU()
	if err != nil || total == l.total || l.total == 0 {
		return []results.Fact{{Name: "contention", Value: "unknown"}}
	}
	share := 100 * float64(busy-l.busy) / float64(total-l.total)
	text := fmt.Sprintf("the machine's CPUs were %.0f %% busy during the run", share)
	if avg, err := os.ReadFile("/proc/loadavg"); err == nil {
		text += ", load average at the end " + strings.Join(strings.Fields(string(avg))[:3], " ")
	}
	return []results.Fact{{Name: "contention", Value: text}}
}

// readCPU sums the time of all CPUs, in ticks; idle and waiting for a disk are not busy.
func readCPU() (busy, total uint64, err error) {
	data, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, 0, err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	for i, field := range strings.Fields(line) {
		n, err := strconv.ParseUint(field, 10, 64)
		if i == 0 || i > 8 {
			continue // the name; guests' time, which is in user time already
		}
		if err != nil {
			return 0, 0, fmt.Errorf("/proc/stat: %w", err)
		}
		total += n
		if i != 4 && i != 5 {
			busy += n
		}
	}
	return busy, total, nil
}

// memory is the machine's, in bytes.
type memory struct{ total, available int64 }

func readMemory() (memory, error) {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return memory{}, err
	}
	defer f.Close()
	var m memory
	for lines := bufio.NewScanner(f); lines.Scan(); {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		switch name {
		case "MemTotal":
			m.total = n << 10
		case "MemAvailable":
			m.available = n << 10
		}
	}
	if m.total == 0 || m.available == 0 {
		return m, fmt.Errorf("/proc/meminfo: no MemTotal or MemAvailable")
	}
	return m, nil
}
