package main

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

func TestParseReport(t *testing.T) {
	for _, c := range []struct {
		line string
		want report
	}{
		{"ready 0", report{kind: "ready"}},
		{"ready 18446744073709551615", report{kind: "ready", version: 18446744073709551615}},
		{"loaded 3", report{kind: "loaded", version: 3}},
		{"refused 7 signature is not the vendor's", report{kind: "refused", version: 7, reason: "signature is not the vendor's"}},
		{"refused 0", report{kind: "refused"}},
		{"detect 6 detect 1 module_load", report{kind: "detect", rule: 6, pid: 1, what: "module_load"}},
		{"detect 1 block 42 /opt/x", report{kind: "detect", rule: 1, block: true, pid: 42, what: "/opt/x"}},
		{"detect 4294967295 detect 42 /a path/with  spaces", report{kind: "detect", rule: 4294967295, pid: 42, what: "/a path/with  spaces"}},
	} {
		if got, err := parseReport(c.line); err != nil || got != c.want {
			t.Errorf("%q: got %+v, %v; want %+v", c.line, got, err, c.want)
		}
	}
	for _, line := range []string{
		"", "ready", "ready x", "ready -1", "ready 1 2", "loaded", "refused", "refused x y", "hello 1",
		"detect", "detect 1 block 42", "detect 1 allow 42 /x", "detect x block 42 /x", "detect 1 block x /x", "detect 4294967296 block 1 /x",
	} {
		if got, err := parseReport(line); err == nil {
			t.Errorf("%q: got %+v, want an error", line, got)
		}
	}
}

func FuzzParseReport(f *testing.F) {
	for _, line := range []string{"ready 1", "loaded 2", "refused 3 why", "detect 1 block 42 /opt/x", "detect 1", ""} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r, err := parseReport(line)
		if err != nil && !strings.HasPrefix(err.Error(), "agent says ") {
			t.Errorf("%q: error %q does not say who said what", line, err)
		}
		if err == nil && r.what != "" && !strings.HasSuffix(line, r.what) {
			t.Errorf("%q: path %q is not its end", line, r.what)
		}
	})
}

func TestAgentFollowsItsReports(t *testing.T) {
	tally := newTally()
	a := newAgent(tally, newLogger(t.Output()))
	want := func(state string, version uint64) {
		t.Helper()
		if s, v := a.status(); s != state || v != version {
			t.Fatalf("agent is %s with content %d, want %s with %d", s, v, state, version)
		}
	}
	want(protocol.AgentAbsent, 0)
	a.starting()
	want(protocol.AgentStarting, 0)
	a.note(report{kind: "loaded", version: 1}, time.Time{})
	a.note(report{kind: "ready", version: 1}, time.Time{})
	want(protocol.AgentRunning, 1)
	a.note(report{kind: "refused", version: 2, reason: "why"}, time.Time{})
	want(protocol.AgentRunning, 1)
	a.note(report{kind: "loaded", version: 3}, time.Time{})
	a.note(report{kind: "ready", version: 3}, time.Time{}) // said twice
	want(protocol.AgentRunning, 3)
	a.ended(time.Second)
	want(protocol.AgentBackingOff, 0)
	a.starting()
	a.note(report{kind: "ready", version: 3}, time.Time{})
	want(protocol.AgentRunning, 3)
	a.ended(0)
	want(protocol.AgentAbsent, 0)
	if beat, _ := tally.take(); len(beat.Refusals) != 1 || beat.Refusals[0] != (protocol.Refusal{Version: 2, Reason: "why"}) {
		t.Errorf("refusals %+v", beat.Refusals)
	}
}

func TestAwaitStart(t *testing.T) {
	for name, outcome := range map[string]func(*agent){
		"ready": func(a *agent) { a.note(report{kind: "ready"}, time.Now()) },
		"ended": func(a *agent) { a.ended(time.Second) },
		"never": nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			a := newAgent(newTally(), newLogger(t.Output()))
			a.starting()
			want := 5 * time.Second
			if outcome != nil {
				want = time.Second
				go func() {
					wait(context.Background(), want)
					outcome(a)
				}()
			}
			start := time.Now()
			a.awaitStart(t.Context(), 5*time.Second)
			if waited := time.Since(start); waited != want {
				t.Errorf("%s: waited %s, want %s", name, waited, want)
			}
			if outcome != nil {
				a.awaitStart(t.Context(), 5*time.Second) // it is over
				a.starting()
				a.note(report{kind: "ready"}, time.Now())
				a.awaitStart(t.Context(), 5*time.Second)
				if waited := time.Since(start); waited != want {
					t.Errorf("%s: waited %s for a start that is over", name, waited)
				}
			}
		})
	}
}

// A detection is of what is awaited if its rule and its words are, and if it is not from before.
func TestExpect(t *testing.T) {
	a := newAgent(newTally(), newLogger(t.Output()))
	since := time.Now()
	seen, forget := a.expect(6, "module_load", since)
	detect := report{kind: "detect", rule: 6, what: "module_load"}
	before, other, named := since.Add(-1), detect, detect
	other.rule, named.what = 5, "module"
	a.note(detect, before)
	a.note(other, since)
	a.note(named, since)
	if len(seen) > 0 {
		t.Errorf("an earlier one, one by another rule and one of something else: taken for what is awaited")
	}
	a.note(detect, since)
	a.note(detect, since.Add(1))
	if at := <-seen; !at.Equal(since) || len(seen) > 0 {
		t.Errorf("seen at %s, want %s and once", at, since)
	}
	forget()
	a.note(detect, since)
	if len(seen) > 0 {
		t.Error("what is forgotten was noted")
	}
}

func TestAgentServesAndLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		a := newAgent(newTally(), newLogger(t.Output()))
		a.load() // nobody there: nothing to do
		served := make(chan error)
		go func() { served <- a.serve(ours) }()
		seen, forget := a.expect(1, "/opt/x", time.Now())
		defer forget()
		long := strings.Repeat("x", 2*maxAgentLine)
		if _, err := io.WriteString(theirs, "nonsense\n"+long+"\nready 4\ndetect 1 block 7 /opt/x\ndetect 2 block 7 /opt/x\n"); err != nil {
			t.Fatal(err)
		}
		<-seen
		if state, version := a.status(); state != protocol.AgentRunning || version != 4 {
			t.Errorf("agent is %s with content %d", state, version)
		}
		go a.load()
		line := make([]byte, 16)
		if n, err := theirs.Read(line); err != nil || string(line[:n]) != "load\n" {
			t.Errorf("the agent was told %q, %v", line[:n], err)
		}
		a.load() // the agent hangs: given up in the end
		theirs.Close()
		if err := <-served; err == nil {
			t.Error("no error when the agent is gone")
		}
		a.load()
	})
}
