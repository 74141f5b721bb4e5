package measure_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/orchestrator/fleet/fleettest"
	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/measure"
	"github.com/fleetfall/fleetfall/scenarios"
)

// record is the journal of channel-file-291 with one host a fleet, on the conformance fake.
func record(t testing.TB) []byte {
	t.Helper()
	plan, diags := scenarios.LoadFile(t.Context(), "channel-file-291", scenarios.Options{Vars: map[string]string{"hosts": "1", "repeat": "1"}})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	path := filepath.Join(t.TempDir(), results.JournalFile)
	j, err := results.Create(path, results.Header{
		RunID: "recorded", Started: time.Unix(1721362140, 0).UTC(), Draws: draw.ByIndex, Plan: plan,
		Provenance: results.Provenance{Clock: "virtual", Facts: []results.Fact{{Name: "backend", Value: "the conformance fake"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, trial := range orchestrator.Trials(plan, nil) {
		var opts fleettest.FakeOptions
		if !trial.Cell.Fleet.Control {
			opts.Deadly = []uint64{11}
		}
		f := fleettest.NewFake(trial.Hosts, opts)
		rec, err := j.Trial(trial.Number, results.TrialHeader{Cell: trial.Cell.ID, Repeat: trial.Repeat, Seed: trial.Seed, Hosts: trial.Hosts})
		if err == nil {
			_, err = trial.Run(t.Context(), f, rec, nil)
		}
		if err := errors.Join(err, f.Close(context.Background())); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(j.End("complete", "", results.Ending{Duration: time.Minute}), j.Close()); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// compute is results.json of a journal.
func compute(journal []byte) ([]byte, error) {
	j, err := results.Read(bytes.NewReader(journal))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = results.Encode(&b, measure.Compute(j))
	return b.Bytes(), err
}

// TestDamageIsNeverBelieved: whatever single bit of a journal is another, and whichever line is twice, missing or in
// another's place, it is an error, or the results are the very same.
func TestDamageIsNeverBelieved(t *testing.T) {
	journal := record(t)
	want, err := compute(journal)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	believed := map[string]int{}
	tried := map[string]int{}
	check := func(what string, damaged []byte, detail string) {
		t.Helper()
		tried[what]++
		got, err := compute(damaged)
		if err == nil && !bytes.Equal(got, want) {
			if believed[what]++; believed[what] <= 3 {
				t.Errorf("%s: %s: it is read, and the results are others", what, detail)
			}
		}
	}
	flip := func(what string, bit int) {
		damaged := bytes.Clone(journal)
		damaged[bit/8] ^= 1 << (bit % 8)
		check(what, damaged, fmt.Sprintf("bit %d of byte %d", bit%8, bit/8))
	}
	times := 1 // FLEETFALL_DAMAGES has more, as make soak does, from another seed each time
	if n, err := strconv.Atoi(os.Getenv("FLEETFALL_DAMAGES")); err == nil && n > 1 {
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		times, rng = n, rand.New(rand.NewPCG(seed, 2))
	}
	thin := 1 // under -short, one of so many damages is tried
	if testing.Short() {
		thin = 37
	}
	for range 600 * times / thin {
		flip("a bit", rng.IntN(8*len(journal)))
	}
	lines := bytes.SplitAfter(journal, []byte("\n"))
	lines = lines[:len(lines)-1]
	second := len(lines[0]) + len(lines[1])
	for bit := 8 * second; bit < 8*(second+200); bit += thin {
		flip("a bit of a stretch", bit)
	}
	for bit := 8 * (len(journal) - 150); bit < 8*len(journal); bit += thin {
		flip("a bit of the end", bit)
	}
	joined := func(lines [][]byte) []byte { return bytes.Join(lines, nil) }
	for range 150 * times / thin {
		i, k := rng.IntN(len(lines)), rng.IntN(len(lines))
		detail := fmt.Sprintf("lines %d and %d of %d", i+1, k+1, len(lines))
		check("a line twice", joined(slices.Insert(slices.Clone(lines), i+1, lines[i])), detail)
		check("a line somewhere else too", joined(slices.Insert(slices.Clone(lines), k, lines[i])), detail)
		if i < len(lines)-1 { // without its last it is the journal of a killed run
			check("a line missing", joined(slices.Delete(slices.Clone(lines), i, i+1)), detail)
		}
		swapped := slices.Clone(lines)
		swapped[i], swapped[k] = lines[k], lines[i]
		check("two lines swapped", joined(swapped), detail)
	}
	t.Logf("journal of %d bytes, %d lines; tried %v, changed results %v", len(journal), len(lines), tried, believed)
}

// FuzzCompute: whatever can be read can be computed.
func FuzzCompute(f *testing.F) {
	journal := record(f)
	f.Add(journal)
	f.Add(withoutSums(journal))
	f.Fuzz(func(t *testing.T, journal []byte) {
		if _, err := results.Read(bytes.NewReader(journal)); err != nil {
			return
		}
		if _, err := compute(journal); err != nil {
			t.Error(err)
		}
	})
}

// withoutSums is a journal as a fleetfall wrote it whose entries carried no checksums.
func withoutSums(journal []byte) []byte {
	sums := regexp.MustCompile(`(,"trials":\[[^\]]*\])?,"sum":"[0-9a-f]{16}"}`)
	return bytes.Replace(sums.ReplaceAll(journal, []byte("}")), []byte(`"schema":3`), []byte(`"schema":1`), 1)
}

// TestResultsDoNotDependOnSums but for saying that there are none.
func TestResultsDoNotDependOnSums(t *testing.T) {
	journal := record(t)
	with, err := compute(journal)
	if err != nil {
		t.Fatal(err)
	}
	without, err := compute(withoutSums(journal))
	if err != nil {
		t.Fatal(err)
	}
	says := []byte(",\n    \"unchecked\": true")
	if !bytes.Contains(without, says) || !bytes.Equal(with, bytes.Replace(without, says, nil, 1)) {
		t.Errorf("with checksums:\n%.2000s\nwithout:\n%.2000s", with, without)
	}
}
