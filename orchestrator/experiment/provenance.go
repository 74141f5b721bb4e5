package experiment

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/results"
)

// provenance is what the run runs on, as far as it is known before the first trial.
func (r *run) provenance() results.Provenance {
	facts := []results.Fact{
		{Name: "fleetfall", Value: r.Version},
		{Name: "go", Value: runtime.Version()},
		{Name: "seed", Value: strconv.FormatUint(r.Plan.Seed, 10)},
	}
	if r.atOnce > 1 {
		facts = append(facts, results.Fact{Name: "trials side by side", Value: fmt.Sprintf("up to %d", r.atOnce)})
	}
	caps := r.backend.Caps()
	if ahead := caps.Lookahead; ahead > 0 {
		reaches := fmt.Sprintf("%v: what one host does at t reaches others from t + %v on", ahead, ahead)
		facts = append(facts, results.Fact{Name: "lookahead", Value: reaches})
	}
	for _, f := range r.backend.Facts() {
		facts = append(facts, results.Fact(f))
	}
	if m, err := admission.ThisMachine(); err == nil {
		facts = append(facts, results.Fact{Name: "memory", Value: fmt.Sprintf("%d MiB, %d MiB available at the start", m.Total>>20, m.Available>>20)})
	}
	for _, name := range slices.Sorted(maps.Keys(r.images)) {
		image := r.images[name]
		facts = append(facts, results.Fact{
			Name:  imageFact(name),
			Value: fmt.Sprintf("%s, kernel %s, %d bytes, %s", image.Digest, image.KernelRelease, image.Bytes, strings.Join(image.Cmdline, " ")),
		}, results.Fact{Name: imageFact(name) + " sources", Value: image.Lock.Sources()})
	}
	return results.Provenance{Clock: string(caps.Clock), Facts: facts}
}

// imageFact names the fact whose value begins with the image's digest and a comma.
func imageFact(name string) string { return "image " + name }

// A load measures how busy the machine was: on the wall clock contention stretches every time.
type load struct {
	busy, total uint64
	own         time.Duration // of the processor, of this process
	done        chan struct{}
	sampled     sync.WaitGroup

	mu    sync.Mutex
	least int64 // bytes of memory that were available, at least
}

// sampleEvery is how often the machine's memory is looked at.
const sampleEvery = time.Second

func startLoad() *load {
	l := &load{done: make(chan struct{}), own: ownCPU()}
	var err error
	if l.busy, l.total, err = readCPU(); err != nil {
		l.total = 0
	}
	l.sampled.Go(func() {
		again := time.NewTicker(sampleEvery)
		defer again.Stop()
		for {
			if m, err := admission.ThisMachine(); err == nil {
				l.mu.Lock()
				if l.least == 0 || m.Available < l.least {
					l.least = m.Available
				}
				l.mu.Unlock()
			}
			select {
			case <-again.C:
			case <-l.done:
				return
			}
		}
	})
	return l
}

// stop ends the sampling.
func (l *load) stop() {
	close(l.done)
	l.sampled.Wait()
}

// facts says how busy the machine was since startLoad.
func (l *load) facts() []results.Fact {
	l.mu.Lock()
	defer l.mu.Unlock()
	facts := []results.Fact{{Name: "contention", Value: "unknown"}}
	if busy, total, err := readCPU(); err == nil && total != l.total && l.total != 0 {
		share := 100 * float64(busy-l.busy) / float64(total-l.total)
		text := fmt.Sprintf("the machine's CPUs were %.0f %% busy during the run", share)
		if avg, err := os.ReadFile("/proc/loadavg"); err == nil {
			text += ", load average at the end " + strings.Join(strings.Fields(string(avg))[:3], " ")
		}
		facts[0].Value = text
		own := (ownCPU() - l.own).Seconds()
		facts = append(facts, results.Fact{Name: "CPU of fleetfall itself", Value: fmt.Sprintf("%.1f s, %.1f %% of what was busy", own, 100*own*ticks/max(1, float64(busy-l.busy)))})
	}
	if l.least > 0 {
		facts = append(facts, results.Fact{Name: "least memory available during the run", Value: fmt.Sprintf("%d MiB", l.least>>20)})
	}
	return facts
}

// spent is the time of the machine that the trials of an update took.
type spent struct {
	update string
	took   time.Duration
}

// A spending is how the machine's time is spent on updates. Trials that are under way at the same time each get an
// equal part of it, so that all of it is spent once.
type spending struct {
	all      []spent  // in the order of their first trials
	underWay []string // the updates of those trials
	since    time.Time
}

// begin tells that a trial of an update begins, and end that one is over.
func (s *spending) begin(update string, now time.Time) {
	s.share(now)
	s.underWay = append(s.underWay, update)
}

func (s *spending) end(update string, now time.Time) {
	s.share(now)
	i := slices.Index(s.underWay, update)
	s.underWay = slices.Delete(s.underWay, i, i+1)
}

// share spends the time up to now.
func (s *spending) share(now time.Time) {
	for _, update := range s.underWay {
		i := slices.IndexFunc(s.all, func(s spent) bool { return s.update == update })
		if i < 0 {
			i = len(s.all)
			s.all = append(s.all, spent{update: update})
		}
		s.all[i].took += now.Sub(s.since) / time.Duration(len(s.underWay))
	}
	s.since = now
}

// whereTimeWent says which updates' trials took the most of a run's time; of a few updates it says nothing.
func whereTimeWent(all []spent) []results.Fact {
	const few, named = 3, 6
	if len(all) <= few {
		return nil
	}
	sum := time.Duration(0)
	for _, s := range all {
		sum += s.took
	}
	all = slices.SortedStableFunc(slices.Values(all), func(a, b spent) int { return cmp.Compare(b.took, a.took) })
	var parts []string
	say := func(what string, took time.Duration) {
		parts = append(parts, fmt.Sprintf("%s %.0f %%", what, 100*took.Seconds()/max(sum.Seconds(), 1e-9)))
	}
	rest := sum
	for _, s := range all[:min(named, len(all))] {
		rest -= s.took
		say(s.update, s.took)
	}
	if len(all) > named {
		say("all others", rest)
	}
	return []results.Fact{{Name: "where the time went", Value: strings.Join(parts, ", ")}}
}

// ticks a second are what /proc/stat counts CPU time in: USER_HZ, which is 100 on every Linux that Go runs on.
const ticks = 100

// ownCPU is the processor time that this process has taken.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
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
