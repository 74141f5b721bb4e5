package stats

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestR holds the package against R: testdata/trials.txt is what testdata/trials.R prints, with the versions in its
// first line.
func TestR(t *testing.T) {
	text, err := os.ReadFile("testdata/trials.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 3 {
			t.Fatalf("line %d has %d fields, want 3", i+1, len(fields))
		}
		name, input, want := fields[0], fields[1], numbers(t, fields[2])
		got, tolerance := reference(t, name, input)
		seen[name]++
		if len(got) != len(want) {
			t.Errorf("line %d: %s of %s is %v, R has %v", i+1, name, input, got, want)
			continue
		}
		for j := range want {
			what := fmt.Sprintf("line %d: %s of %s: number %d", i+1, name, input, j+1)
			near(t, what, got[j], want[j], tolerance*math.Max(1, math.Abs(want[j])))
		}
	}
	for _, name := range []string{
		"t", "quantile", "bounded", "rank", "flips", "holm", "kaplan-meier", "restricted-mean",
	} {
		if seen[name] == 0 {
			t.Errorf("R's output has no line of %s", name)
		}
	}
}

// reference is what this package makes of a line's input, and how near R has to be.
func reference(t *testing.T, name, input string) (got []float64, tolerance float64) {
	t.Helper()
	switch name {
	case "t":
		iv := StudentT(numbers(t, input))
		return []float64{iv.Lo, iv.Hi}, 1e-10
	case "quantile":
		df := numbers(t, input)[0]
		return []float64{tQuantile(0.975, df), tQuantile(0.98, df), tQuantile(0.995, df)}, 1e-10
	case "bounded":
		iv := BoundedMean(numbers(t, input))
		return []float64{iv.Lo, iv.Hi}, 2e-9
	case "rank":
		r, held, _ := MedianRank(int(numbers(t, input)[0]))
		return []float64{float64(r), held}, 1e-12
	case "flips":
		var pairs []Pair
		for _, d := range numbers(t, input) {
			pairs = append(pairs, Pair{A: Trial{Value: 100 + d}, B: Trial{Value: 100}})
		}
		return []float64{*SignFlips(pairs, 1, 0).P}, 1e-12
	case "holm":
		return Holm(numbers(t, input)), 1e-14
	case "kaplan-meier":
		for _, s := range KaplanMeier(survival(input)).Steps {
			if s.Events > 0 {
				got = append(got, s.Time, s.Survival)
			}
		}
		return got, 1e-12
	case "restricted-mean":
		return []float64{20, KaplanMeier(survival(input)).RestrictedMean(20)}, 1e-12
	}
	t.Fatalf("R's output has a line of %q, which nothing is compared with", name)
	return nil, 0
}

func numbers(t *testing.T, s string) []float64 {
	t.Helper()
	var x []float64
	for _, f := range strings.Fields(s) {
		v, err := strconv.ParseFloat(f, 64)
		if err != nil {
			t.Fatal(err)
		}
		x = append(x, v)
	}
	return x
}

// TestPublishedQuantiles: R. A. Fisher and F. Yates, "Statistical Tables", 6th ed. 1963, table III, as every textbook
// prints it.
func TestPublishedQuantiles(t *testing.T) {
	for _, tt := range []struct{ df, at975, at98, at995 float64 }{
		{1, 12.706, 15.895, 63.657},
		{2, 4.303, 4.849, 9.925},
		{4, 2.776, 2.999, 4.604},
		{9, 2.262, 2.398, 3.250},
		{29, 2.045, 2.150, 2.756},
	} {
		near(t, fmt.Sprintf("t(0.975; %v)", tt.df), tQuantile(0.975, tt.df), tt.at975, 5e-4+1e-9)
		near(t, fmt.Sprintf("t(0.98; %v)", tt.df), tQuantile(0.98, tt.df), tt.at98, 5e-4+1e-9)
		near(t, fmt.Sprintf("t(0.995; %v)", tt.df), tQuantile(0.995, tt.df), tt.at995, 5e-4+1e-9)
	}
}
