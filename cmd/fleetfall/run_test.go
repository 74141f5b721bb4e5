package main

import (
	"context"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/experiment"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/scenarios"
)

// TestOutcomeOfVerification: whatever the verdict, nothing can be concluded from a testbed that depends on its machine.
func TestOutcomeOfVerification(t *testing.T) {
	c := &cobra.Command{}
	c.SetContext(context.Background())
	differs := results.Verification{Cell: "kernel/u/r/t", Repeat: 1, Wave: 2, Status: results.Differs, Difference: "beat of kernel-01 at 3s"}
	missing := results.Verification{Cell: "user/u/r/t", Status: results.Unverified, Reason: "no memory"}
	for name, test := range map[string]struct {
		verdict results.Status
		of      []results.Verification
		code    int
		says    string
	}{
		"the same":      {results.Met, []results.Verification{{Status: results.Identical}, {Status: results.Within}}, exitMet, ""},
		"still missed":  {results.Missed, []results.Verification{{Status: results.Within}}, exitMissed, "exit 1"},
		"differs":       {results.Met, []results.Verification{{Status: results.Within}, differs}, exitInfra, "the testbed cannot be relied upon: cell kernel/u/r/t, repeat 1, wave 2 came out differently under load: beat of kernel-01 at 3s"},
		"and is missed": {results.Missed, []results.Verification{differs, missing}, exitInfra, "beat of kernel-01 at 3s, and 1 more"},
		"unverified":    {results.Met, []results.Verification{missing}, exitInfra, "cell user/u/r/t, repeat 0 was not verified: no memory"},
	} {
		finished := &experiment.Finished{Results: &results.Results{Verdict: test.verdict, Verification: test.of}}
		err := outcome(c, finished, nil)
		if code := exitCode(c.Context(), err); code != test.code || test.says != "" && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: exit code %d, %v", name, code, err)
		}
	}
}

func TestTrialName(t *testing.T) {
	trial := orchestrator.Trial{Cell: scenarios.Cell{ID: "kernel/u/r/t"}, Wave: 1, Waves: 2, Verifies: 3, Attempt: 2}
	if got, want := trialName(trial), "kernel/u/r/t wave 1/2 again, under load attempt 2"; got != want {
		t.Errorf("a second run is called %q, want %q", got, want)
	}
}

// TestInterruption: what is said of a run that was interrupted speaks of nothing that was not seen to the end.
func TestInterruption(t *testing.T) {
	const where = "\ngo on:  fleetfall run --resume results/runs/x\nreport: results/runs/x/report.html\n"
	for name, test := range map[string]struct {
		ended, trials int
		want          string
	}{
		"in a trial":             {1, 3, ": 1 of 3 trials had come to an end.\nWhat was seen in the others is in no figure.\n" + where},
		"before its first trial": {0, 0, " before its first trial.\n" + where},
		"at the end":             {3, 3, " after its last trial.\n" + where},
	} {
		r := &results.Results{Scenario: results.Scenario{Name: "smoke"}, Run: results.Run{Reason: "hangup signal received"}}
		got := interruption(&experiment.Finished{Dir: "results/runs/x", Results: r, Trials: test.trials, Ended: test.ended})
		if want := "smoke was interrupted (hangup signal received)" + test.want; got != want {
			t.Errorf("%s: it says\n%s\nwant\n%s", name, got, want)
		}
	}
}
