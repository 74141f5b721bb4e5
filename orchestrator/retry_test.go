package orchestrator_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/fleet/fleettest"
	"github.com/fleetfall/fleetfall/scenarios"
)

// unlucky is a fleet whose testbed fails: some hosts in so many of their first boots, and some at a time.
type unlucky struct {
	*fleettest.Fake
	boots map[string]int           // boots of a host that fail
	cut   map[string]time.Duration // when a host is lost, with all that was to come from it

	fate fleet.Happening // of a host that is cut; nil for the testbed's failure
	lost map[string]bool // until its next boot
}

func (u *unlucky) Next(ctx context.Context) (fleet.Event, error) {
	for {
		e, err := u.Fake.Next(ctx)
		if err != nil {
			return e, err
		}
		_, booting := e.What.(fleet.Booting)
		at, cut := u.cut[e.Host]
		switch {
		case cut && e.At >= at:
			delete(u.cut, e.Host)
		case booting && u.boots[e.Host] > 0:
			u.boots[e.Host]--
		case u.lost[e.Host] && !booting:
			continue
		default:
			delete(u.lost, e.Host)
			return e, nil
		}
		u.lost[e.Host] = true
		e.What = fleet.InfraFailed{Op: "run domain", Reason: "asked for by the test"}
		if cut && u.fate != nil {
			e.What = u.fate
		}
		return e, nil
	}
}

func runUnlucky(t *testing.T, p *scenarios.Plan, boots map[string]int, cut map[string]time.Duration) (orchestrator.Outcome, *record) {
	t.Helper()
	trial := orchestrator.Trials(p, nil)[0]
	f := &unlucky{Fake: fleettest.NewFake(trial.Hosts, deadly), boots: boots, cut: cut, lost: map[string]bool{}}
	defer f.Close(context.Background())
	rec := &record{}
	out, err := trial.Run(context.Background(), f, rec, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out, rec
}

// bootsOf counts how often the orchestrator asked for a host's boot at the start.
func bootsOf(rec *record, host string) int {
	n := 0
	for _, line := range rec.lines {
		if line == "0s boot "+host {
			n++
		}
	}
	return n
}

func everyHost(n int) map[string]int {
	return map[string]int{"kernel-01": n, "kernel-02": n, "kernel-03": n, "kernel-04": n}
}

func TestBootThatTheTestbedFailsIsTriedOnceMore(t *testing.T) {
	for _, c := range []struct {
		name     string
		boots    map[string]int
		status   string
		repaired int
		asked    int // boots of kernel-02
	}{
		{"none fails", nil, orchestrator.Settled, 4, 1},
		{"one fails once", map[string]int{"kernel-02": 1}, orchestrator.Settled, 4, 2},
		{"one fails twice", map[string]int{"kernel-02": 2}, orchestrator.Settled, 3, 2},
		{"one fails whenever it is asked", map[string]int{"kernel-02": 9}, orchestrator.Settled, 3, 2},
		{"all fail once", everyHost(1), orchestrator.Settled, 4, 2},
		{"all fail twice", everyHost(2), orchestrator.Invalid, 0, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, rec := runUnlucky(t, plan("kernel", nil), c.boots, nil)
			if out.Status != c.status || count[fleet.OrderDone](rec) != c.repaired || bootsOf(rec, "kernel-02") != c.asked {
				t.Errorf("outcome %+v, %d hosts repaired, kernel-02 booted %d times; want %s, %d, %d", out,
					count[fleet.OrderDone](rec), bootsOf(rec, "kernel-02"), c.status, c.repaired, c.asked)
			}
		})
	}
}

// TestOneHostAloneIsTriedAgain: the trial does not end for want of a host before the second boot has begun.
func TestOneHostAloneIsTriedAgain(t *testing.T) {
	p := plan("kernel", func(_ *scenarios.Plan, c *scenarios.Cell) { c.Fleet.Hosts = 1 })
	out, rec := runUnlucky(t, p, map[string]int{"kernel-01": 1}, nil)
	if out.Status != orchestrator.Settled {
		t.Errorf("outcome %+v", out)
	}
	for _, line := range rec.lines {
		if strings.HasSuffix(line, "mark ready") {
			t.Error("the fleet was ready before its host had beaten")
		}
		if strings.Contains(line, "beat") {
			break
		}
	}
}

// TestHostLostLaterIsNotBootedAgain, neither by the orchestrator nor by its recovery, and does not hold up the others.
func TestHostLostLaterIsNotBootedAgain(t *testing.T) {
	whole, _ := runUnlucky(t, plan("kernel", nil), nil, nil)
	for _, at := range []time.Duration{4 * time.Second, 9 * time.Second, 15 * time.Second, 40 * time.Second, 90 * time.Second} {
		out, rec := runUnlucky(t, plan("kernel", nil), nil, map[string]time.Duration{"kernel-02": at, "kernel-03": at})
		if out.Status != orchestrator.Settled || out.End > whole.End {
			t.Errorf("two of four hosts lost at %s: outcome %+v", at, out)
		}
		lost := slices.IndexFunc(rec.events, func(e fleet.Event) bool { return e.Host == "kernel-02" && e.What.Kind() == "infra_failed" })
		for _, e := range rec.events[lost+1:] {
			if e.Host == "kernel-02" {
				t.Errorf("lost at %s, and booted again: %s", at, e)
				break
			}
		}
	}
	for _, at := range []time.Duration{20 * time.Second, 40 * time.Second} { // before the revert, and after it
		all := map[string]time.Duration{}
		for name := range everyHost(0) {
			all[name] = at
		}
		if out, _ := runUnlucky(t, plan("kernel", nil), nil, all); out.Status != orchestrator.Invalid {
			t.Errorf("every host was lost at %s: outcome %+v, want invalid", at, out)
		}
	}
}

// TestUpdateIsNotOfferedToAHostThatIsDown: what it is down for is none of the update's doing.
func TestUpdateIsNotOfferedToAHostThatIsDown(t *testing.T) {
	trial := orchestrator.Trials(plan("kernel", func(_ *scenarios.Plan, c *scenarios.Cell) { c.Recovery.Restart = d(time.Minute) }), nil)[0]
	f := &unlucky{
		Fake: fleettest.NewFake(trial.Hosts, deadly), cut: map[string]time.Duration{"kernel-03": 4 * time.Second},
		fate: fleet.Panic{Title: "of its own"}, lost: map[string]bool{},
	}
	defer f.Close(context.Background())
	rec := &record{}
	out, err := trial.Run(context.Background(), f, rec, nil)
	if err != nil {
		t.Fatal(err)
	}
	if out.Status != orchestrator.Invalid || !strings.Contains(out.Reason, "kernel-03 was down") {
		t.Errorf("outcome %+v", out)
	}
	if slices.ContainsFunc(rec.lines, func(l string) bool { return strings.HasSuffix(l, "mark injected") }) {
		t.Error("the update was offered")
	}
}
