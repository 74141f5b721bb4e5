// Package fleettest holds every backend to the contract of package fleet: [Conform] is run by each backend's tests. It
// also has the [Fake], the smallest fleet that passes.
package fleettest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// A Backend is what Conform needs to know of the one it tests.
type Backend struct {
	// New makes a fleet of these hosts; Conform closes it.
	New func(t *testing.T, specs []fleet.HostSpec) fleet.Fleet
	// Content is a signed channel file of this version that agents accept; deadly content takes a kernel agent's host
	// down. Conform asks for version 2 as deadly and for version 3 as harmless.
	Content func(t *testing.T, version uint64, deadly bool) []byte
	// Shipped is the version of the content on a host's disk before anything is served.
	Shipped uint64
	// Patience bounds the wait for any one event, in the test's time.
	Patience time.Duration
	// Nodes names the machines that hosts can be on, of a backend that claims to put them on several.
	Nodes []string
}

// Tempo is the pace of the suite's hosts.
var Tempo = fleet.Tempo{Beat: 500 * time.Millisecond, Poll: time.Second, Work: 500 * time.Millisecond, Threat: time.Second}

// Unclaimed is a test that was not run, because the backend does not claim to have what it needs.
type Unclaimed struct {
	Test    string
	Missing []fleet.Capability
}

func (u Unclaimed) String() string {
	var names []string
	for _, m := range u.Missing {
		names = append(names, string(m))
	}
	return fmt.Sprintf("%s (needs %s)", u.Test, strings.Join(names, ", "))
}

// least is what every backend has.
func least() []fleet.Capability {
	return []fleet.Capability{fleet.CanDo("boot"), fleet.CanBoot(fleet.Normal), fleet.CanRun("none")}
}

// Conform tests all that the backend's fleets claim to have. It logs and returns the tests of which something is not
// claimed. A claim that is not kept, or that no test of the suite is for, fails.
func Conform(t *testing.T, b Backend) []Unclaimed {
	var caps fleet.Caps
	t.Run("caps", func(t *testing.T) { caps = b.caps(t) })
	if t.Failed() {
		return nil
	}
	var left []Unclaimed
	tested := append(least(), fleet.CanKeepTime(caps.Clock))
	for _, c := range checks(caps) {
		tested = append(tested, c.needs...)
		if missing := fleet.Missing(caps.Has, c.needs); len(missing) > 0 {
			left = append(left, Unclaimed{c.name, missing})
			continue
		}
		t.Run(c.name, func(t *testing.T) { c.run(b, t) })
	}
	for _, u := range left {
		t.Logf("not claimed and not tested: %s", u)
	}
	if untested := fleet.Missing(tested, caps.Has); len(untested) > 0 {
		t.Errorf("the backend claims what the suite has no test for: %q", untested)
	}
	return left
}

// run is one fleet under test.
type run struct {
	t *testing.T
	b Backend
	fleet.Fleet
	last time.Duration
}

func (b Backend) open(t *testing.T, specs ...fleet.HostSpec) *run {
	r := &run{t: t, b: b, Fleet: b.New(t, specs)}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := r.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return r
}

func host(name, architecture string) fleet.HostSpec {
	return fleet.HostSpec{Name: name, Architecture: architecture, Image: "tiny", MemoryBytes: 96 << 20, Tempo: Tempo}
}

func (r *run) do(a fleet.Action) {
	r.t.Helper()
	if err := r.Do(context.Background(), a); err != nil {
		r.t.Fatalf("%s %+v: %v", a.Kind(), a, err)
	}
}

// until returns the first event for which want is true, checking what holds for every event on the way.
func (r *run) until(what string, want func(fleet.Event) bool) fleet.Event {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), r.b.Patience)
	defer cancel()
	var seen []string
	for {
		e, err := r.Next(ctx)
		if err != nil {
			for _, s := range seen[max(0, len(seen)-40):] {
				r.t.Log(s)
			}
			r.t.Fatalf("waiting for %s: %v", what, err)
		}
		seen = append(seen, e.String())
		if e.At < r.last {
			r.t.Fatalf("time went back from %s: %s", r.last, e)
		}
		r.last = e.At
		if want(e) {
			return e
		}
		if f, ok := e.What.(fleet.InfraFailed); ok {
			r.t.Fatalf("waiting for %s: %s: %s: %s", what, e.Host, f.Op, f.Reason)
		}
	}
}

// of waits for an event of type H of a host for which want, if not nil, is true.
func of[H fleet.Happening](r *run, host, what string, want func(H) bool) H {
	r.t.Helper()
	e := r.until(what, func(e fleet.Event) bool {
		h, ok := e.What.(H)
		return ok && e.Host == host && (want == nil || want(h))
	})
	return e.What.(H)
}
