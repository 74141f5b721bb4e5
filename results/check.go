package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/scenarios"
)

// What is checked here holds of every journal, with checksums or without: nobody who computes with one need ask again.

// maxTime bounds times of a trial's clock. A fleet gets ready, waits for its update and then for its deadline, which
// may take a year each; nothing is recorded after that.
const maxTime = 3 * 365 * 24 * time.Hour

// maxPart bounds the wall-clock time of a part of a run, so that no sum of them overflows.
const maxPart = 10 * 365 * 24 * time.Hour

// What a run has at most.
const (
	maxTrials  = 200_000
	maxResumed = 10_000
)

// begin reads a journal's header.
func (j *Journal) begin(data []byte) error {
	if err := json.Unmarshal(data, &j.Header); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if j.Schema < journalWithoutSums || j.Schema > journalSchema {
		return fmt.Errorf("journal schema %d, this fleetfall reads %d to %d", j.Schema, journalWithoutSums, journalSchema)
	}
	if err := j.Draws.Check(); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if err := checkAtOnce(j.AtOnce); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	if err := j.checkShards(); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	j.Unchecked = j.Schema == journalWithoutSums
	if j.Plan == nil {
		return errors.New("header: no plan")
	}
	if err := j.Plan.Check(); err != nil {
		return fmt.Errorf("header: plan: %w", err)
	}
	for cell, waves := range j.Waves {
		c, ok := j.cell(cell)
		if !ok || waves < 1 || waves > c.Fleet.Hosts {
			return fmt.Errorf("header: %d waves of cell %.200q: the plan has no such cell, or not that many hosts in it",
				waves, cell)
		}
	}
	if j.Verify != nil && (j.Verify.Tolerance < 0 || j.Verify.Tolerance > maxTime) {
		return fmt.Errorf("header: verification within %v", j.Verify.Tolerance)
	}
	return nil
}

// checkShards refuses a shard that is none, and shards of which no run can be merged.
func (j *Journal) checkShards() error {
	if j.Shard != nil {
		if err := j.Shard.Check(); err != nil {
			return err
		}
		if len(j.Merged) > 0 {
			return errors.New("a shard that was merged from shards")
		}
	}
	for i, m := range j.Merged {
		if m.Shard != (Shard{i + 1, len(j.Merged)}) || m.Trials < 0 || m.Trials > maxTrials || m.Took < 0 || m.Took > maxPart {
			return fmt.Errorf("merged from a shard %s with %d trials, which took %v, as number %d of %d", m.Shard, m.Trials, m.Took, i+1, len(j.Merged))
		}
	}
	return nil
}

// checkAtOnce refuses a number of trials under way that no run has.
func checkAtOnce(n int) error {
	if n < 0 || n > maxTrials {
		return fmt.Errorf("%d trials at a time", n)
	}
	return nil
}

func (j *Journal) cell(id string) (scenarios.Cell, bool) {
	i := slices.IndexFunc(j.Plan.Cells, func(c scenarios.Cell) bool { return c.ID == id })
	if i < 0 {
		return scenarios.Cell{}, false
	}
	return j.Plan.Cells[i], true
}

// end reads a KindRunEnd entry.
func (j *Journal) end(e Entry) error {
	if !slices.Contains([]string{StatusComplete, StatusInterrupted, StatusFailed}, e.What) {
		return fmt.Errorf("end of run: unknown status %.60q", e.What)
	}
	j.Status, j.Reason, j.Ending = e.What, e.Reason, new(Ending)
	if err := json.Unmarshal(e.Data, j.Ending); err != nil {
		return fmt.Errorf("end of run: %w", err)
	}
	if j.Ending.Duration < 0 || j.Ending.Duration > maxPart || j.Took > maxPart {
		return fmt.Errorf("end of run: it took %v", j.Ending.Duration)
	}
	j.Took += j.Ending.Duration
	return nil
}

// beginTrial reads a KindTrial entry.
func (rd *reader) beginTrial(e Entry) (*trialCheck, error) {
	j := rd.journal
	t := &TrialRecord{
		Number: e.Trial, Marks: map[string]time.Duration{},
		Status: StatusInterrupted, Reason: "the journal has no end for it",
	}
	var entry trialEntry
	if err := json.Unmarshal(e.Data, &entry); err != nil {
		return nil, err
	}
	t.TrialHeader = entry.TrialHeader
	c, ok := j.cell(t.Cell)
	switch {
	case e.Trial > maxTrials:
		return nil, fmt.Errorf("a run has %d trials at most", maxTrials)
	case !ok:
		return nil, fmt.Errorf("the plan has no cell %.200q", t.Cell)
	case t.Repeat < 0 || t.Repeat >= j.Plan.Repeat:
		return nil, fmt.Errorf("repeat %d, and the plan has %d, which count from 0", t.Repeat, j.Plan.Repeat)
	case t.Attempt != 0 && t.Attempt != 2:
		return nil, fmt.Errorf("attempt %d, which is neither 0 nor 2", t.Attempt)
	}
	hosts := c.Fleet.Hosts
	if waves := j.Waves[t.Cell]; waves > 1 {
		if t.Waves != waves || t.Wave < 1 || t.Wave > waves {
			return nil, fmt.Errorf("wave %d of %d, and the run has %d of that cell", t.Wave, t.Waves, waves)
		}
		hosts = c.Fleet.Hosts / waves
		if t.Wave <= c.Fleet.Hosts%waves {
			hosts++
		}
	} else if t.Wave != 0 || t.Waves != 0 {
		return nil, fmt.Errorf("wave %d of %d, and the run has the cell's fleet whole", t.Wave, t.Waves)
	}
	set, err := rd.hostsOf(entry.Hosts, t.TrialHeader, c, hosts)
	if err != nil {
		return nil, err
	}
	t.Hosts = set.hosts
	if t.Verifies != 0 {
		if j.Verify == nil || t.Verifies < 1 || t.Verifies > len(j.Trials) {
			return nil, fmt.Errorf("it verifies trial %d, and the run has no such trial to verify", t.Verifies)
		}
		first := j.Trials[t.Verifies-1].place()
		if first.again = !first.again; first != t.place() {
			return nil, fmt.Errorf("it verifies trial %d, which is of something else", t.Verifies)
		}
	}
	j.Trials = append(j.Trials, t)
	return &trialCheck{t, set.names}, nil
}

// endTrial holds a trial's end against the trials before it: each place is filled once.
func (rd *reader) endTrial(t *TrialRecord) error {
	if !t.Counts() {
		return nil
	}
	if before := rd.counted[t.place()]; before > 0 {
		return fmt.Errorf("trial %d came to an end that counts, and so did trial %d, which is of the same", t.Number, before)
	}
	rd.counted[t.place()] = t.Number
	return nil
}

// A trialCheck takes the entries of one trial, and refuses those that it cannot have.
type trialCheck struct {
	*TrialRecord
	hosts map[string]bool
}

// add takes the trial's next entry.
func (t *trialCheck) add(l *line) error {
	e := l.entry
	if e.At < t.End || e.At > maxTime {
		return fmt.Errorf("at %s, after one at %s: times do not go back, and end at %s", e.At, t.End, maxTime)
	}
	t.End = e.At
	switch e.Kind {
	case KindEvent:
		what := l.event
		if l.eventErr != nil {
			return l.eventErr
		}
		if err := checkEvent(what); err != nil {
			return err
		}
		_, timer := what.(fleet.TimerFired)
		_, infra := what.(fleet.InfraFailed)
		if timer && e.Host != "" || !timer && !t.hosts[e.Host] && !(infra && e.Host == "") {
			return fmt.Errorf("%s of host %.60q, which the trial does not have", e.What, e.Host)
		}
		t.Events = append(t.Events, fleet.Event{At: e.At, Host: e.Host, What: what})
	case KindAction:
		action, err := fleet.DecodeAction(e.What, e.Data)
		if err != nil {
			return err
		}
		if s, ok := action.(fleet.Serve); ok && (s.Size < 0 || s.Size > maxBytes) {
			return fmt.Errorf("content of %d bytes", s.Size)
		}
		if !t.hosts[e.Host] || action.Target() != e.Host {
			return fmt.Errorf("%s of host %.60q, to %.60q: the trial does not have them, or they are two",
				e.What, e.Host, action.Target())
		}
		t.Decisions = append(t.Decisions, Decision{At: e.At, Events: len(t.Events), Action: action})
	case KindMark:
		if !slices.Contains([]string{MarkReady, MarkInjected, MarkReverted}, e.What) {
			return fmt.Errorf("unknown mark %.60q", e.What)
		}
		if at, twice := t.Marks[e.What]; twice {
			return fmt.Errorf("%s at %s, and it was at %s already", e.What, e.At, at)
		}
		t.Marks[e.What] = e.At
		t.Decisions = append(t.Decisions, Decision{At: e.At, Events: len(t.Events), Mark: e.What})
	case KindTrialEnd:
		if !slices.Contains([]string{"settled", "deadline", "invalid", StatusInterrupted}, e.What) {
			return fmt.Errorf("unknown status %.60q", e.What)
		}
		t.Status, t.Reason = e.What, e.Reason
	}
	return nil
}

// Bounds of what events say. They are no narrower than those of agents/protocol, to which every guest is held: what a
// guest can say must not make a journal unreadable.
const (
	maxCount = 1 << 30
	maxBytes = 1 << 50
)

// checkEvent bounds the numbers of an event, and what names a file.
func checkEvent(what fleet.Happening) error {
	times := func(all ...time.Duration) bool {
		return !slices.ContainsFunc(all, func(d time.Duration) bool { return d < 0 || d > maxTime })
	}
	counts := func(all ...int) bool {
		return !slices.ContainsFunc(all, func(n int) bool { return n < 0 || n > maxCount })
	}
	ok := true
	switch w := what.(type) {
	case fleet.Hello:
		ok = times(w.Uptime) && counts(w.Protocol)
	case fleet.Beat:
		ok = times(w.WorkMax, w.WorkTotal, w.Uptime, w.RunDelay) &&
			counts(w.WorkUnits, w.WorkFailed, w.WorkHung, w.PollsFailed, w.Killed) && w.Available >= 0 && w.Available <= maxBytes
		for _, l := range w.Loads {
			ok = ok && times(l.Total) && counts(l.Units)
		}
	case fleet.Threat:
		ok = times(w.Latency)
	case fleet.AgentExit:
		ok = times(w.Restart)
	case fleet.Garbage:
		ok = counts(w.Bytes)
	case fleet.Dumped:
		ok = w.File == "" || w.File == filepath.Base(w.File) && w.File != ".." && w.File != "."
	}
	if !ok {
		return fmt.Errorf("%s with impossible figures: %.200s", what.Kind(), fmt.Sprintf("%+v", what))
	}
	return nil
}
