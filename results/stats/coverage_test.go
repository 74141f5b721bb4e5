package stats

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/gonum/stat/distuv"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The numbers of repeats at which coverage is measured.
var (
	meanRepeats   = []int{3, 5, 10, 30}
	medianRepeats = []int{5, 6, 10, 30}
)

const (
	meanDraws  = 10_000 // the standard error of a coverage of 95 % is then 0.22 %
	shareDraws = 2_000  // 0.49 %
	shorter    = 20     // under -short, only one in so many is drawn
)

// drawn is how many of so many draws are made.
func drawn(draws int) int {
	if testing.Short() && !*update {
		return draws / shorter
	}
	return draws
}

// holds says whether the interval of an estimate holds a number.
func (e Estimate) holds(x float64) bool {
	if e.Lo == nil && e.Hi == nil {
		return false
	}
	return (e.Lo == nil || e.Lo.Value <= x) && (e.Hi == nil || e.Hi.AtLeast || x <= e.Hi.Value)
}

// summarised is Summarise of a kind.
func summarised(kind Kind) func([]Trial) Estimate {
	return func(trials []Trial) Estimate { return Summarise(kind, trials) }
}

// covered is the share of draws whose interval holds the true value.
func covered(
	summarise func([]Trial) Estimate, draws, n int, truth float64, seed uint64, draw func(*rand.Rand) Trial,
) float64 {
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	draws = drawn(draws)
	held := 0
	trials := make([]Trial, n)
	for range draws {
		for i := range trials {
			trials[i] = draw(rng)
		}
		if summarise(trials).holds(truth) {
			held++
		}
	}
	return float64(held) / float64(draws)
}

// lognormal is a time around 20 s with a sigma of 0.5.
func lognormal(rng *rand.Rand) Trial { return Trial{Value: 20 * math.Exp(rng.NormFloat64()/2)} }

// TestCoverage measures how often intervals hold what they are of, over simulated trials of which that is known, and
// writes the table that documentation shows: testdata/coverage.txt. Under -short it draws less, and coverages are held
// against their bounds alone, which are then as much wider as chance needs.
func TestCoverage(t *testing.T) {
	var table strings.Builder
	fmt.Fprintf(&table, "How often an interval holds what it is of, in %%, by simulation (TestCoverage):\n"+
		"%d draws of trials for means and medians, %d for shares.\n", meanDraws, shareDraws)
	coverageOfMeans(t, &table)
	coverageOfShares(t, &table)
	coverageOfMedians(t, &table)
	const path = "testdata/coverage.txt"
	if *update {
		if err := os.WriteFile(path, []byte(table.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if testing.Short() {
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; run the test with -update to make it", err)
	}
	if diff := cmp.Diff(string(want), table.String()); diff != "" {
		t.Errorf("%s (-want +got; -update accepts it):\n%s", path, diff)
	}
}

// row writes a row of the table, and fails where a coverage of so many draws is not in bounds. 0 draws say that it is
// exact.
func row(t *testing.T, w *strings.Builder, name string, coverages []float64, draws int, lo, hi float64) {
	t.Helper()
	if n := drawn(draws); n < draws {
		lo -= 4 * math.Sqrt(lo*(1-lo)/float64(n))
		hi += 4 * math.Sqrt(hi*(1-hi)/float64(n))
	}
	fmt.Fprintf(w, "%-44s", name)
	for _, c := range coverages {
		fmt.Fprintf(w, "%8.1f", 100*c)
		if c < lo || c > hi {
			t.Errorf("%s: %.2f %%, want %v to %v", name, 100*c, 100*lo, 100*hi)
		}
	}
	w.WriteByte('\n')
}

func head(w *strings.Builder, title string, repeats []int) {
	fmt.Fprintf(w, "\n%-44s", title)
	for _, n := range repeats {
		fmt.Fprintf(w, "%8d", n)
	}
	w.WriteByte('\n')
}

func coverageOfMeans(t *testing.T, w *strings.Builder) {
	head(w, "Means of times and counts; repeats:", meanRepeats)
	for _, d := range []struct {
		name  string
		kind  Kind
		truth float64
		draw  func(*rand.Rand) Trial
	}{
		{"normal", Differences, 20, func(rng *rand.Rand) Trial { return Trial{Value: 20 + 5*rng.NormFloat64()} }},
		{"lognormal, sigma 0.5", Amounts, 20 * math.Exp(0.125), lognormal},
	} {
		var c []float64
		for _, n := range meanRepeats {
			c = append(c, covered(summarised(d.kind), meanDraws, n, d.truth, 1, d.draw))
		}
		row(t, w, d.name, c, meanDraws, 0.92, 0.98)
	}
}

// shares are trials of hosts of which each is hit with a probability of p, with the correlation between two of a
// trial: the share of those that are hit, after Skellam's beta-binomial distribution.
func shares(hosts int, correlation, p float64) func(*rand.Rand) Trial {
	return func(rng *rand.Rand) Trial {
		theta := p
		switch {
		case correlation == 1 && rng.Float64() < p:
			theta = 1
		case correlation == 1:
			theta = 0
		case correlation > 0:
			of := 1/correlation - 1
			theta = distuv.Beta{Alpha: p * of, Beta: (1 - p) * of, Src: rng}.Rand()
		}
		hit := 0
		for range hosts {
			if rng.Float64() < theta {
				hit++
			}
		}
		return Trial{Value: float64(hit) / float64(hosts)}
	}
}

// remembered is Summarise of shares of so many hosts, which looks up what it has met before: trials with the same
// numbers of hosts that are hit, in any order.
func remembered(hosts int) func([]Trial) Estimate {
	met := map[string]Estimate{}
	return func(trials []Trial) Estimate {
		with := make([]byte, hosts+1) // trials with so many hosts hit
		for _, t := range trials {
			with[int(math.Round(t.Value*float64(hosts)))]++
		}
		e, ok := met[string(with)]
		if !ok {
			e = Summarise(Shares, trials)
			met[string(with)] = e
		}
		return e
	}
}

// coverageOfShares writes the least coverage over p from 0.02 to 0.98.
func coverageOfShares(t *testing.T, w *strings.Builder) {
	head(w, "Shares, worst p of 0.02 to 0.98; repeats:", meanRepeats)
	var c []float64
	for _, n := range meanRepeats {
		c = append(c, worstOfOneHost(n))
	}
	row(t, w, "1 host, or hosts that all fare alike (exact)", c, 0, 0.92, 1)
	for _, hosts := range []int{1, 4, 12} {
		for _, correlation := range []float64{0, 0.3, 1} {
			if hosts == 1 && correlation > 0 {
				continue // one host has nobody to be alike
			}
			var c []float64
			for _, n := range meanRepeats {
				worst, summarised := 1.0, remembered(hosts)
				for _, p := range []float64{0.02, 0.05, 0.2, 0.5, 0.8, 0.95, 0.98} {
					worst = min(worst, covered(summarised, shareDraws, n, p, 2, shares(hosts, correlation, p)))
				}
				c = append(c, worst)
			}
			row(t, w, fmt.Sprintf("%s, correlation %v", count(hosts, "host"), correlation), c, shareDraws, 0.92, 1)
		}
	}
}

// worstOfOneHost is the least coverage over p from 0.02 to 0.98 in steps of 0.001 where each trial is 0 or 1: a sum
// of binomial probabilities.
func worstOfOneHost(n int) float64 {
	estimates := make([]Estimate, n+1)
	for k := range estimates {
		trials := make([]Trial, n)
		for i := range k {
			trials[i].Value = 1
		}
		estimates[k] = Summarise(Shares, trials)
	}
	worst := 1.0
	for i := 20; i <= 980; i++ {
		p := float64(i) / 1000
		b, held := distuv.Binomial{N: float64(n), P: p}, 0.0
		for k, e := range estimates {
			if e.holds(p) {
				held += b.Prob(float64(k))
			}
		}
		worst = min(worst, held)
	}
	return worst
}

func coverageOfMedians(t *testing.T, w *strings.Builder) {
	head(w, "Medians of trials' own quantiles; repeats:", medianRepeats)
	nominal := make([]float64, len(medianRepeats))
	for i, n := range medianRepeats {
		_, nominal[i], _ = MedianRank(n)
	}
	for _, d := range []struct {
		name string
		draw func(*rand.Rand) Trial
	}{
		{"lognormal, sigma 0.5", lognormal},
		{"the same, 40 % censored at one time", func(rng *rand.Rand) Trial {
			trial, end := lognormal(rng), 20*math.Exp(distuv.UnitNormal.Quantile(0.6)/2)
			return Trial{Value: min(trial.Value, end), Censored: trial.Value > end}
		}},
	} {
		var c []float64
		for i, n := range medianRepeats {
			got := covered(summarised(Quantiles), meanDraws, n, 20, 3, d.draw)
			if d := math.Abs(got - nominal[i]); d > 4*math.Sqrt(nominal[i]*(1-nominal[i])/float64(drawn(meanDraws))) {
				t.Errorf("median of %d trials: %.2f %%, want %.2f", n, 100*got, 100*nominal[i])
			}
			c = append(c, got)
		}
		row(t, w, d.name, c, meanDraws, 0, 1)
	}
	row(t, w, "by its formula", nominal, 0, 0.93, 0.99)
}

// TestCoverageOfRandomCensoring: where trials are cut at times of their own, the interval holds the median at least
// as often.
func TestCoverageOfRandomCensoring(t *testing.T) {
	for _, n := range medianRepeats {
		_, nominal, _ := MedianRank(n)
		got := covered(summarised(Quantiles), meanDraws, n, 20, 4, func(rng *rand.Rand) Trial {
			trial, end := lognormal(rng), 40*rng.Float64()
			return Trial{Value: min(trial.Value, end), Censored: trial.Value > end}
		})
		if got < nominal-4*math.Sqrt(nominal*(1-nominal)/float64(drawn(meanDraws))) {
			t.Errorf("%d trials: %.2f %%, want %.2f or more", n, 100*got, 100*nominal)
		}
	}
}

// TestSignFlipsLevel: cells that fare alike come out under a P of 5 % in at most 5 % of cases, with censored trials
// too.
func TestSignFlipsLevel(t *testing.T) {
	for _, censored := range []bool{false, true} {
		rng := rand.New(rand.NewPCG(5, 6))
		draw := func(seed float64) Trial {
			value := seed * math.Exp(rng.NormFloat64()/2)
			if end := 25.0; censored && value > end {
				return Trial{Value: end, Censored: true}
			}
			return Trial{Value: value}
		}
		const draws = 4000
		small := 0
		for range draws {
			pairs := make([]Pair, 8)
			for i := range pairs {
				seed := 10 + 20*rng.Float64() // what the two of a pair share
				pairs[i] = Pair{draw(seed), draw(seed)}
			}
			if *SignFlips(pairs, 1, 0).P < 0.05 {
				small++
			}
		}
		share := float64(small) / draws
		t.Logf("censored %v: %.3f", censored, share)
		if share > 0.05+3*math.Sqrt(0.05*0.95/draws) || share < 0.01 {
			t.Errorf("censored %v: %.1f %% of tests without a cause are below 5 %%", censored, 100*share)
		}
	}
}
