package health_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/health"
)

func kinds(edges []health.Edge) []string {
	var all []string
	for _, e := range edges {
		all = append(all, fmt.Sprintf("%d %s", e.Host, e.Kind))
	}
	return all
}

// TestEdges: what a policy learns of a host's life, and of a host that the testbed failed.
func TestEdges(t *testing.T) {
	f := health.NewFleet([]string{"b", "a"}, limits)
	for i, step := range []struct {
		at   time.Duration
		host string
		what fleet.Happening
		want []string
	}{
		{0, "a", fleet.Booting{Mode: fleet.Normal}, []string{"0 down", "0 starting"}},
		{0, "nobody", fleet.Panic{}, nil},
		{1 * s, "a", fleet.Hello{Mode: fleet.Normal}, nil},
		{1 * s, "a", beat, []string{"0 up"}},
		{2 * s, "a", fleet.Fetched{Version: 7}, []string{"0 exposed"}},
		{2 * s, "a", fleet.Panic{}, []string{"0 down", "0 crashed"}},
		{3 * s, "a", fleet.Booting{Mode: fleet.Safe}, []string{"0 down", "0 repairing"}},
		{4 * s, "a", fleet.Hello{Mode: fleet.Safe}, []string{"0 answering"}},
		{4 * s, "a", fleet.OrderDone{}, []string{"0 done"}},
		{4 * s, "a", fleet.OrderDone{Error: "no disk"}, []string{"0 failed"}},
		{4 * s, "", fleet.TimerFired{Tag: "tick"}, nil},
		{4*s + limits.Liveness + 1, "", fleet.TimerFired{Tag: "tick"}, []string{"0 silent"}},
		{40 * s, "a", fleet.PoweredOff{}, []string{"0 down", "0 off"}},
		{40 * s, "b", fleet.Booting{Mode: fleet.Normal}, []string{"1 down", "1 starting"}},
		{41 * s, "b", fleet.InfraFailed{Op: "run host"}, []string{"1 down", "1 lost"}},
		{42 * s, "b", fleet.Panic{}, nil},
		{43 * s, "b", beat, nil},
		{43 * s, "b", fleet.Hello{Mode: fleet.Normal}, nil},
		{99 * s, "", fleet.TimerFired{Tag: "tick"}, nil},
		{99 * s, "b", fleet.Booting{Mode: fleet.Normal}, []string{"1 starting"}},
		{99 * s, "b", fleet.BootFailed{}, []string{"1 silent"}},
	} {
		got := kinds(f.Observe(fleet.Event{At: step.at, Host: step.host, What: step.what}))
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("step %d, %s of %q (-want +got):\n%s", i, step.what.Kind(), step.host, diff)
		}
	}
}

// TestSilenceOfMany holds who is found silent, and when, against hosts that are each asked at every event of none.
func TestSilenceOfMany(t *testing.T) {
	const hosts, events = 40, 20_000
	r := rand.New(rand.NewPCG(1, 2))
	var names []string
	asked := map[string]*health.Host{}
	for i := range hosts {
		names = append(names, fmt.Sprintf("host-%02d", i))
		asked[names[i]] = health.NewHost(limits)
	}
	f := health.NewFleet(names, limits)
	now, silent := time.Duration(0), 0
	for i := range events {
		now += time.Duration(r.Int64N(int64(limits.Liveness) / 30))
		e := fleet.Event{At: now, What: fleet.TimerFired{Tag: "tick"}}
		if r.IntN(4) > 0 {
			e.Host = names[r.IntN(hosts)]
			e.What = []fleet.Happening{
				beat, beat, fleet.Hello{Mode: fleet.Normal}, fleet.Booting{Mode: fleet.Normal}, fleet.Panic{}, fleet.PoweredOff{},
			}[r.IntN(6)]
		}
		edges := f.Observe(e)
		if e.Host != "" {
			asked[e.Host].Observe(e)
			continue
		}
		var want []string
		for n, name := range names {
			if len(asked[name].Advance(now)) > 0 {
				want = append(want, fmt.Sprintf("%d silent", n))
			}
		}
		silent += len(want)
		if got := kinds(edges); !slices.Equal(got, want) {
			t.Fatalf("event %d at %v: edges %q, want %q", i, now, got, want)
		}
	}
	if silent < 100 {
		t.Errorf("%d hosts fell silent, want many", silent)
	}
	for n, name := range names {
		if got, want := f.Host(uint32(n)).State(), asked[name].State(); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
}

// TestChangeSince: a change says when it can be known, and when the host was heard of last.
func TestChangeSince(t *testing.T) {
	h := health.NewHost(limits)
	h.Observe(fleet.Event{At: s, What: normal})
	h.Observe(fleet.Event{At: 3 * s, What: beat})
	got := h.Advance(3*s + limits.Liveness + 7*s)
	want := []health.Change{{At: 3*s + limits.Liveness, Since: 3 * s, From: health.Unprotected, To: health.Hung}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}
