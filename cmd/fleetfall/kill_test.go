package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt"
)

const (
	defaultKills = 10 // FLEETFALL_KILLS has another number, as make soak does
	killsAtOnce  = 3  // runs that live at a time to be killed, beside the one that is not
)

// A phase is a part of a run's life.
type phase struct {
	name  string
	kills int                                 // of ten
	cold  bool                                // the run finds no template
	begun func(k *killer, p *process) bool    // nil for one that begins with the process
	long  func(first *firstRun) time.Duration // how long it takes
	then  func(k *killer)                     // is done after the kill; may be nil
}

// phases are in an order in which the kills take the least time: what has to wait for the first run is early or late.
var phases = []phase{
	{
		name: "closing", kills: 1,
		begun: func(_ *killer, p *process) bool { return p.journalHolds(endsRun) },
		long:  func(f *firstRun) time.Duration { <-f.whole; return (f.end - f.closing) / 2 }, // the rest is the report
	},
	{
		name: "keeping a template", kills: 1, cold: true,
		begun: (*killer).stopUnfinished,
		long:  func(*firstRun) time.Duration { return 0 },
		then:  (*killer).goOn,
	},
	{
		name: "starting", kills: 2,
		long: func(f *firstRun) time.Duration { return f.daemon },
	},
	{
		name: "making templates", kills: 2, cold: true,
		begun: func(_ *killer, p *process) bool { return strings.Contains(p.stderr.String(), saysDaemon) },
		long:  func(f *firstRun) time.Duration { return f.journal - f.daemon },
	},
	{
		name: "trials", kills: 4,
		begun: func(_ *killer, p *process) bool { return p.journalHolds(beginsRun) },
		long:  func(f *firstRun) time.Duration { <-f.whole; return f.closing - f.journal },
	},
}

// A point is where a run is killed.
type point struct {
	phase
	share float64 // of the phase that is over, from 0 to 1
}

// choosePoints spreads n kills over the phases, and evenly over each phase, from where the seed says. The latest points of a
// phase come first: they take longest.
func choosePoints(n int, seed uint64) []point {
	random := rand.New(rand.NewPCG(seed, 0))
	var points []point
	for i, ph := range phases {
		first, kills := random.Float64(), ph.kills*n/10
		if i == len(phases)-1 {
			kills = n - len(points)
		}
		begin := len(points)
		for k := range kills {
			_, share := math.Modf(first + float64(k)/float64(kills))
			points = append(points, point{ph, share})
		}
		slices.SortFunc(points[begin:], func(a, b point) int { return cmp.Compare(b.share, a.share) })
	}
	return points
}

// TestKillAtRandom kills runs at random points of their lives, while another user's runs go on beside them.
func TestKillAtRandom(t *testing.T) {
	capability.VMs(t)
	kills, seed := defaultKills, rand.Uint64()
	if n, err := strconv.Atoi(os.Getenv("FLEETFALL_KILLS")); err == nil {
		kills = n
	}
	if n, err := strconv.ParseUint(os.Getenv("FLEETFALL_KILL_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("FLEETFALL_KILLS=%d FLEETFALL_KILL_SEED=%d chooses the same points again", kills, seed)

	image := builtImage(t)
	other, first := startNeighbour(t, newCache(t, image))
	points := make(chan point, kills)
	for _, p := range choosePoints(kills, seed) {
		points <- p
	}
	close(points)
	shared := &killers{first: first}
	var all sync.WaitGroup
	for range killsAtOnce {
		k := &killer{t: t, killers: shared, cache: newCache(t, image)}
		all.Go(func() {
			for at := range points {
				for !k.kill(at) {
					at.share /= 2
				}
				if at.then != nil {
					at.then(k)
				}
			}
		})
	}
	all.Wait()
	if shared.withProcesses == 0 || shared.withFiles == 0 {
		t.Errorf("%d kills left processes and %d left files: this test shows nothing", shared.withProcesses, shared.withFiles)
	}
	other.check(shared.removed)
	t.Logf("the first run had a daemon after %v, began after %v, closed after %v and had ended after %v", first.daemon, first.journal, first.closing, first.end)
}

// killers share what gc has done.
type killers struct {
	first                    *firstRun
	collecting               sync.Mutex
	withProcesses, withFiles int      // kills after which there was something to collect
	removed                  []string // words of what gc said, among them the names of runs
}

// A killer kills one run after the other.
type killer struct {
	*killers
	t      *testing.T
	cache  string
	before int // templates that were not finished when the latest run began
}

var saysID = regexp.MustCompile(`(?m)^run ([a-z0-9]+) in `)

// kill starts a run, kills it at a point, has what it leaves collected, and looks what there is after that. It returns
// false for a run that had ended before: the machine was busier when the first one ran.
func (k *killer) kill(at point) bool {
	if at.cold {
		k.removeTemplates()
	}
	k.before = len(k.unfinished())
	p, err := launch(k.t, k.t.TempDir(), smoke, "--cache", k.cache)
	if err != nil {
		k.t.Error(err)
		return true
	}
	if at.begun != nil {
		if err := p.until(at.name, func() bool { return at.begun(k, p) }); err != nil {
			k.t.Error(err)
			return true
		}
	}
	after := time.Duration(at.share * float64(at.long(k.first)))
	select {
	case <-time.After(after):
	case <-p.ended:
	}
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		k.t.Error(err)
	}
	<-p.ended
	k.collecting.Lock()
	defer k.collecting.Unlock()
	said := p.stderr.String()
	kill := fmt.Sprintf("killed %v after the beginning of %q, when it had said %q", after, at.name, lastLine(said))
	code := p.cmd.ProcessState.ExitCode()
	switch {
	case code == exitMet:
		kill = fmt.Sprintf("not killed %v after the beginning of %q, because it had ended", after, at.name)
	case code >= 0:
		k.t.Errorf("a run that nobody had killed yet ended with exit code %d\n%s", code, said)
	}
	files := leftBy(k.t, p.cmd.Process.Pid)
	var run string
	var processes []string
	if match := saysID.FindStringSubmatch(said); match != nil {
		run = match[1]
		processes = processesOf(k.t, run)
	}
	k.t.Logf("run %s was %s; it left %d processes and %d files", run, kill, len(processes), len(files))
	k.withFiles += min(1, len(files))
	k.withProcesses += min(1, len(processes))
	out, err := exec.Command("fleetfall", "gc").CombinedOutput()
	if err != nil {
		k.t.Errorf("gc: %v\n%s", err, out)
	}
	k.removed = append(k.removed, strings.Fields(string(out))...)
	if left := leftBy(k.t, p.cmd.Process.Pid); len(left) > 0 {
		k.t.Errorf("run %s was %s; after gc there is %q", run, kill, left)
	}
	if run != "" {
		expectNothingOf(k.t, run)
	}
	return code != exitMet
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}

// leftBy lists what names a process as its owner below the work root.
func leftBy(t *testing.T, pid int) []string {
	root := libvirt.DefaultWorkRoot()
	found, err := filepath.Glob(filepath.Join(root, fmt.Sprintf(".new-%d-*", pid)))
	if err != nil {
		t.Error(err)
	}
	for _, pattern := range []string{"*/owner.json", ".promises/*.json"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Error(err)
		}
		for _, path := range paths {
			var o struct {
				Process struct{ PID int }
			}
			data, err := os.ReadFile(path)
			if err == nil && json.Unmarshal(data, &o) == nil && o.Process.PID == pid {
				found = append(found, path)
			} // else it is another run's, which may have ended
		}
	}
	return found
}

// goOn runs a whole run with a cache in which a killed one has left a template that is not finished.
func (k *killer) goOn() {
	unfinished := k.unfinished()
	if len(unfinished) == 0 {
		k.t.Errorf("no run was killed in %s while it kept a template", k.cache)
	}
	for _, dir := range unfinished {
		yesterday := time.Now().AddDate(0, 0, -1) // nobody can be writing it any more
		if err := os.Chtimes(dir, yesterday, yesterday); err != nil {
			k.t.Error(err)
		}
	}
	p, err := launch(k.t, k.t.TempDir(), smoke, "--cache", k.cache)
	if err != nil {
		k.t.Error(err)
		return
	}
	<-p.ended
	if code := p.cmd.ProcessState.ExitCode(); code != exitMet {
		k.t.Errorf("a run with the cache of killed ones: exit code %d\n%s", code, p.stderr.String())
	}
	left, err := os.ReadDir(filepath.Join(k.cache, "templates"))
	if err != nil || len(left) != 4 || len(k.unfinished()) > 0 {
		k.t.Errorf("templates %v, %v, want those of two kinds of hosts in two modes, and nothing unfinished", left, err)
	}
}

// stopUnfinished stops a run that writes a template, so that it cannot end that before it is killed. It returns false for one that
// writes none, or has just ended to.
func (k *killer) stopUnfinished(p *process) bool {
	if len(k.unfinished()) <= k.before {
		return false
	}
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return false // it has ended, and until says so
	}
	for !p.stopped() {
		select {
		case <-p.ended:
			return false
		case <-time.After(time.Millisecond):
		}
	}
	if len(k.unfinished()) > k.before {
		return true
	}
	if err := p.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		k.t.Error(err)
	}
	return false
}

// unfinished are the templates that runs were writing.
func (k *killer) unfinished() []string {
	found, err := filepath.Glob(filepath.Join(k.cache, "templates", ".new-*"))
	if err != nil {
		k.t.Error(err)
	}
	return found
}

// removeTemplates removes whole templates, so that the next run makes its own.
func (k *killer) removeTemplates() {
	whole, err := filepath.Glob(filepath.Join(k.cache, "templates", "[^.]*"))
	if err != nil {
		k.t.Error(err)
	}
	for _, dir := range whole {
		if err := os.RemoveAll(dir); err != nil {
			k.t.Error(err)
		}
	}
}
