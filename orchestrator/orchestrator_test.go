package orchestrator_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/fleet/fleettest"
	"github.com/fleetfall/fleetfall/scenarios"
)

func d(v time.Duration) scenarios.Duration { return scenarios.Duration(v) }

// plan is one cell of four hosts whose update is deadly to the fake's agents.
func plan(architecture string, edit func(*scenarios.Plan, *scenarios.Cell)) *scenarios.Plan {
	cell := scenarios.Cell{
		ID:      architecture + "/update/everyone/technicians",
		Fleet:   scenarios.Fleet{Name: architecture, Architecture: architecture, Hosts: 4, Image: "tiny", Memory: 96 << 20},
		Update:  scenarios.Update{Name: "update", At: d(5 * time.Second), Fault: "field_count", RevertAfter: d(20 * time.Second), Signed: true},
		Rollout: "everyone",
		Recovery: scenarios.Recovery{
			Name: "technicians", Strategy: "safe_mode", Technicians: 1, Notice: d(5 * time.Second), Restart: d(time.Second),
			HandsOn: scenarios.Distribution{Kind: "fixed", A: d(30 * time.Second)},
		},
	}
	p := &scenarios.Plan{
		Scenario: "test", Seed: 1, Deadline: d(10 * time.Minute), Repeat: 1, StableFor: d(10 * time.Second),
		Liveness: d(10 * time.Second), Latency: d(time.Second),
		Tempo: scenarios.Tempo{Beat: d(time.Second), Poll: d(2 * time.Second), Work: d(time.Second), Threat: d(2 * time.Second)},
	}
	if edit != nil {
		edit(p, &cell)
	}
	p.Cells = []scenarios.Cell{cell}
	return p
}

// A record is a Recorder that keeps everything as text.
type record struct {
	lines  []string
	events []fleet.Event
	failAt int // the entry from which on recording fails; 0 for never
}

var errDiskFull = errors.New("disk full")

func (r *record) add(format string, args ...any) error {
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
	if r.failAt > 0 && len(r.lines) >= r.failAt {
		return errDiskFull
	}
	return nil
}

func (r *record) Event(e fleet.Event) error {
	r.events = append(r.events, e)
	return r.add("%s", e)
}

func (r *record) Action(at time.Duration, a fleet.Action) error {
	return r.add("%s %s %s", at, a.Kind(), a.Target())
}
func (r *record) Mark(at time.Duration, name string) error { return r.add("%s mark %s", at, name) }
func (r *record) End(at time.Duration, status, reason string) error {
	return r.add("%s end %s %s", at, status, reason)
}

func count[H fleet.Happening](r *record) int {
	n := 0
	for _, e := range r.events {
		if _, ok := e.What.(H); ok {
			n++
		}
	}
	return n
}

func run(t *testing.T, p *scenarios.Plan, opts fleettest.FakeOptions) (orchestrator.Outcome, *record) {
	t.Helper()
	trial := orchestrator.Trials(p, nil)[0]
	f := fleettest.NewFake(trial.Hosts, opts)
	defer f.Close(context.Background())
	rec := &record{}
	out, err := trial.Run(context.Background(), f, rec, nil)
	if err != nil {
		t.Fatal(err)
	}
	return out, rec
}

var deadly = fleettest.FakeOptions{Deadly: []uint64{11}}

func TestKernelFleetLoopsAndIsRepaired(t *testing.T) {
	out, rec := run(t, plan("kernel", nil), deadly)
	if out.Status != orchestrator.Settled {
		t.Fatalf("outcome %+v", out)
	}
	if n := count[fleet.Panic](rec); n < 8 {
		t.Errorf("%d panics, want two a host at least", n)
	}
	if n := count[fleet.OrderDone](rec); n != 4 {
		t.Errorf("%d hosts had their content removed, want 4", n)
	}
	next := uint64(1) // one technician, so that no order is given before the one before it is done
	for _, e := range rec.events {
		if done, ok := e.What.(fleet.OrderDone); ok {
			if done.ID != next {
				t.Errorf("order %d of %s, want each to have a number of its own, and next %d", done.ID, e.Host, next)
			}
			next++
		}
	}
	// One technician, 30 s a host: the last host cannot be back before two minutes.
	if out.End < 2*time.Minute {
		t.Errorf("four hosts were repaired by one technician in %s", out.End)
	}
}

// TestFleetThatCannotIsRefused before anything is asked of it, or recorded.
func TestFleetThatCannotIsRefused(t *testing.T) {
	trial := orchestrator.Trials(plan("kernel", nil), nil)[0]
	for lacks, words := range map[fleet.Capability]string{
		fleet.CanDo("serve"):                  `cannot carry out the action "serve"`,
		fleet.CanRun("kernel"):                `cannot run hosts of the architecture "kernel"`,
		fleet.CanOrder(fleet.RemoveContent):   `cannot give a guest the order "remove_content"`,
		fleet.CanDo("power_off"):              "", // which nobody needs here
		fleet.CanTakeOops(fleet.OopsPanic):    "", // as a machine does by itself
		fleet.CanKeepTime(fleet.VirtualClock): "", // the plan asks for no clock
	} {
		f := fleettest.NewFake(trial.Hosts, fleettest.FakeOptions{Deadly: []uint64{11}, Lacks: []fleet.Capability{lacks}})
		rec := &record{}
		_, err := trial.Run(t.Context(), f, rec, nil)
		switch {
		case words == "" && err != nil:
			t.Errorf("without %s, which is not needed: %v", lacks, err)
		case words != "" && (err == nil || !strings.Contains(err.Error(), words) || len(rec.lines) > 0):
			t.Errorf("without %s: %v, want words of %q and nothing recorded: %q", lacks, err, words, rec.lines)
		}
	}
}

func TestUserFleetStaysUp(t *testing.T) {
	out, rec := run(t, plan("user", nil), deadly)
	if out.Status != orchestrator.Settled || count[fleet.Panic](rec) != 0 || count[fleet.AgentExit](rec) < 4 {
		t.Errorf("outcome %+v, %d panics, %d agent exits", out, count[fleet.Panic](rec), count[fleet.AgentExit](rec))
	}
	if n := count[fleet.Booting](rec); n != 4 {
		t.Errorf("%d boots, want the first of each host alone", n)
	}
}

func TestHarmlessUpdateChangesNothing(t *testing.T) {
	for _, architecture := range []string{"kernel", "user", "none"} {
		out, rec := run(t, plan(architecture, nil), fleettest.FakeOptions{})
		if out.Status != orchestrator.Settled || count[fleet.Panic](rec)+count[fleet.AgentExit](rec) != 0 {
			t.Errorf("%s: outcome %+v", architecture, out)
		}
		if n := count[fleet.Fetched](rec); architecture != "none" && n != 8 {
			t.Errorf("%s: %d fetches, want the update and its revert on each host", architecture, n)
		}
	}
}

func TestDeadlineCensorsWhatIsNotBack(t *testing.T) {
	p := plan("kernel", func(p *scenarios.Plan, c *scenarios.Cell) {
		p.Deadline = d(time.Minute)
		c.Recovery = scenarios.Recovery{Name: "none", Strategy: "none", Restart: d(time.Second)}
	})
	out, rec := run(t, p, deadly)
	if out.Status != orchestrator.Deadline {
		t.Errorf("outcome %+v, want the deadline", out)
	}
	injected := slices.IndexFunc(rec.lines, func(l string) bool { return l == "8s mark injected" })
	if injected < 0 || out.End != 68*time.Second {
		t.Errorf("ended at %s, want one minute after the injection at 8s", out.End)
	}
}

func TestRefusedContentSettles(t *testing.T) {
	p := plan("kernel", func(_ *scenarios.Plan, c *scenarios.Cell) { c.Update.Signed, c.Update.RevertAfter = false, 0 })
	out, rec := run(t, p, fleettest.FakeOptions{Refused: []uint64{11}})
	if out.Status != orchestrator.Settled || count[fleet.ContentRefused](rec) != 4 {
		t.Errorf("outcome %+v, %d refusals", out, count[fleet.ContentRefused](rec))
	}
}

func TestFleetThatIsNeverReadyIsInvalid(t *testing.T) {
	out, _ := run(t, plan("kernel", nil), fleettest.FakeOptions{Deadly: []uint64{1}})
	if out.Status != orchestrator.Invalid {
		t.Errorf("outcome %+v of hosts that die of what their image ships, want invalid", out)
	}
	out, _ = run(t, plan("kernel", nil), fleettest.FakeOptions{Boot: time.Hour})
	if out.Status != orchestrator.Invalid {
		t.Errorf("outcome %+v of hosts that boot for an hour, want invalid", out)
	}
	if want := ": kernel-01 is down and has sent no beat, "; !strings.Contains(out.Reason, want) {
		t.Errorf("the reason is %q, want each host in it, as %q", out.Reason, want)
	}
}

func TestInterruptionIsRecorded(t *testing.T) {
	trial := orchestrator.Trials(plan("kernel", nil), nil)[0]
	f := fleettest.NewFake(trial.Hosts, deadly)
	defer f.Close(context.Background())
	ctx, cancel := context.WithCancel(context.Background())
	rec := &record{}
	out, err := trial.Run(ctx, f, rec, func(p orchestrator.Progress) {
		if p.Phase == "injected" {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) || out.Status != orchestrator.Interrupted {
		t.Errorf("outcome %+v, error %v", out, err)
	}
	if last := rec.lines[len(rec.lines)-1]; last != "8s end interrupted context canceled" {
		t.Errorf("the record ends with %q", last)
	}
}

func TestRecorderThatFailsEndsTheTrial(t *testing.T) {
	for failAt := 1; failAt < 60; failAt++ {
		trial := orchestrator.Trials(plan("kernel", nil), nil)[0]
		f := fleettest.NewFake(trial.Hosts, deadly)
		_, err := trial.Run(context.Background(), f, &record{failAt: failAt}, nil)
		if !errors.Is(err, errDiskFull) {
			t.Fatalf("recording failed at entry %d, and the trial said %v", failAt, err)
		}
		f.Close(context.Background())
	}
}

func TestSameSeedSameRecord(t *testing.T) {
	_, a := run(t, plan("kernel", nil), deadly)
	_, b := run(t, plan("kernel", nil), deadly)
	if !slices.Equal(a.lines, b.lines) {
		t.Error("two runs of one seed differ")
	}
}

// serves is a Recorder of what hosts are served.
type serves struct {
	record
	files [][]byte
}

func (s *serves) Action(_ time.Duration, a fleet.Action) error {
	if a, ok := a.(fleet.Serve); ok {
		s.files = append(s.files, a.Content)
	}
	return nil
}

// TestFleetsMeetTheSameUpdate: what is drawn to make a faulty update depends on nothing in which fleets differ.
func TestFleetsMeetTheSameUpdate(t *testing.T) {
	served := func(seed uint64, architecture string, repeat, waves int) [][]byte {
		p := plan(architecture, func(p *scenarios.Plan, c *scenarios.Cell) {
			p.Seed, p.Repeat, c.Update.Fault, c.Update.RevertAfter = seed, 2, "bit_flips", d(time.Second)
		})
		trial := orchestrator.Trials(p, map[string]int{p.Cells[0].ID: waves})[repeat*waves]
		f := fleettest.NewFake(trial.Hosts, fleettest.FakeOptions{})
		defer f.Close(context.Background())
		rec := &serves{}
		if _, err := trial.Run(context.Background(), f, rec, nil); err != nil {
			t.Fatal(err)
		}
		return [][]byte{rec.files[0], rec.files[len(rec.files)-1]} // the update and its revert
	}
	same := func(a, b [][]byte) bool { return bytes.Equal(a[0], b[0]) && bytes.Equal(a[1], b[1]) }
	first := served(1, "kernel", 0, 1)
	if !same(first, served(1, "user", 0, 1)) || !same(first, served(1, "kernel", 0, 2)) {
		t.Error("another fleet, or a part of one, met another update")
	}
	if same(first, served(1, "kernel", 1, 1)) || same(first, served(2, "kernel", 0, 1)) {
		t.Error("another repeat or seed met the same update")
	}
}

func TestUnsupportedArchitectureIsRefusedBeforeBoot(t *testing.T) {
	trial := orchestrator.Trials(plan("ebpf", nil), nil)[0]
	f := fleettest.NewFake(trial.Hosts, deadly)
	defer f.Close(context.Background())
	rec := &record{}
	if _, err := trial.Run(context.Background(), f, rec, nil); err == nil || len(rec.lines) != 0 {
		t.Errorf("error %v, record %q", err, rec.lines)
	}
}
