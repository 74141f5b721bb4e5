package scenarios

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

func minutes(m float64) Duration { return Duration(m * float64(time.Minute)) }

// references are distributions with what gonum has for them, in minutes.
var references = []struct {
	d    Distribution
	want interface {
		Quantile(p float64) float64
		Mean() float64
	}
}{
	{Distribution{Kind: uniform, A: minutes(2), B: minutes(6)}, distuv.Uniform{Min: 2, Max: 6}},
	{Distribution{Kind: exponential, A: minutes(4)}, distuv.Exponential{Rate: 1. / 4}},
	{Distribution{Kind: lognormal, A: minutes(4), P: 0.5}, distuv.LogNormal{Mu: math.Log(4), Sigma: 0.5}},
	{Distribution{Kind: lognormal, A: minutes(0.1), P: 1.7}, distuv.LogNormal{Mu: math.Log(0.1), Sigma: 1.7}},
	{Distribution{Kind: weibull, A: minutes(4), P: 1.5}, distuv.Weibull{Lambda: 4, K: 1.5}},
	{Distribution{Kind: weibull, A: minutes(4), P: 0.7}, distuv.Weibull{Lambda: 4, K: 0.7}},
}

func TestQuantilesAndMeans(t *testing.T) {
	near := func(got time.Duration, want float64) bool {
		return math.Abs(got.Minutes()-want) <= 1e-6*want+1e-9
	}
	for _, r := range references {
		for _, u := range []float64{0.001, 0.01, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999} {
			if got, want := r.d.Quantile(u), r.want.Quantile(u); !near(got, want) {
				t.Errorf("%v at %g: %v minutes, want %v", r.d, u, got.Minutes(), want)
			}
		}
		if got, want := r.d.Mean(), r.want.Mean(); !near(got, want) {
			t.Errorf("%v: mean of %v minutes, want %v", r.d, got.Minutes(), want)
		}
	}
}

// Samples must follow the distribution: the share of them below each theoretical quantile is binomial, and five standard
// errors are missed once in two million.
func TestSampleFollowsTheDistribution(t *testing.T) {
	const n = 20_000
	for i, reference := range references {
		r := rand.New(rand.NewPCG(1, uint64(i)))
		samples := make([]float64, n)
		for i := range samples {
			samples[i] = reference.d.Sample(r).Minutes()
		}
		slices.Sort(samples)
		for _, u := range []float64{0.1, 0.5, 0.9, 0.99} {
			below, _ := slices.BinarySearch(samples, reference.want.Quantile(u))
			if got, limit := float64(below)/n, 5*math.Sqrt(u*(1-u)/n); math.Abs(got-u) > limit {
				t.Errorf("%v: a share of %g is below the quantile of %g; more than %g off", reference.d, got, u, limit)
			}
		}
	}
}

func TestSampleDrawsOnce(t *testing.T) {
	for _, reference := range append(references, struct {
		d    Distribution
		want interface {
			Quantile(p float64) float64
			Mean() float64
		}
	}{d: Distribution{Kind: fixed, A: minutes(1)}}) {
		a, b := rand.New(rand.NewPCG(7, 7)), rand.New(rand.NewPCG(7, 7))
		reference.d.Sample(a)
		b.Float64()
		if a.Uint64() != b.Uint64() {
			t.Errorf("%v takes more or less than one draw", reference.d)
		}
	}
}

func TestExtremes(t *testing.T) {
	year := Duration(maxDuration)
	almost := math.Nextafter(1, 0)
	for _, d := range []Distribution{
		{Kind: fixed, A: year}, {Kind: uniform, A: year, B: year}, {Kind: exponential, A: year}, {Kind: lognormal, A: year, P: 5},
		{Kind: lognormal, A: 1}, {Kind: weibull, A: year, P: 0.1}, {Kind: weibull, A: 1, P: 100}, {Kind: fixed},
	} {
		if err := d.Validate(); err != nil {
			t.Errorf("%v: %v", d, err)
		}
		for _, u := range []float64{0, math.SmallestNonzeroFloat64, 0.5, almost} {
			if q := d.Quantile(u); q < 0 || q > maxDuration {
				t.Errorf("%v at %g: %v", d, u, q)
			}
		}
		if m := d.Mean(); m < 0 || m > maxDuration {
			t.Errorf("%v: mean %v", d, m)
		}
	}
}

func TestValidate(t *testing.T) {
	year := Duration(maxDuration)
	tests := []struct {
		d    Distribution
		want string
	}{
		{Distribution{}, `unknown distribution ""`},
		{Distribution{Kind: "normal"}, `unknown distribution "normal"`},
		{Distribution{Kind: fixed, A: -1}, "the value of fixed"},
		{Distribution{Kind: fixed, A: year + 1}, "the value of fixed"},
		{Distribution{Kind: uniform, A: 2, B: 1}, "the most of uniform"},
		{Distribution{Kind: uniform, A: -2, B: 1}, "the least of uniform"},
		{Distribution{Kind: exponential}, "the mean of exponential"},
		{Distribution{Kind: lognormal, P: 1}, "the median of lognormal"},
		{Distribution{Kind: lognormal, A: 1, P: -1}, "sigma of lognormal"},
		{Distribution{Kind: lognormal, A: 1, P: math.NaN()}, "sigma of lognormal"},
		{Distribution{Kind: weibull, P: 1}, "the scale of weibull"},
		{Distribution{Kind: weibull, A: 1}, "the shape of weibull"},
		{Distribution{Kind: weibull, A: 1, P: math.Inf(1)}, "the shape of weibull"},
	}
	for _, test := range tests {
		if err := test.d.Validate(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v; want %q", test.d, err, test.want)
		}
	}
}

// What String writes, the language reads back.
func TestDistributionText(t *testing.T) {
	for _, d := range []Distribution{
		{Kind: fixed, A: minutes(1)}, {Kind: uniform, A: minutes(1), B: minutes(90)}, {Kind: exponential, A: minutes(1)},
		{Kind: lognormal, A: minutes(78), P: 0.3}, {Kind: weibull, A: Duration(1234567), P: 1.5},
	} {
		src := "scenario \"s\" {\n deadline = \"10d\"\n}\nfleet \"f\" {\n architecture = \"kernel\"\n hosts = 1\n}\n" +
			"update \"u\" {\n at = \"1s\"\n fault = \"none\"\n}\nrecovery \"r\" {\n hands_on = " + d.String() + "\n}\n"
		plan, diags := Load(t.Context(), "x.hcl", []byte(src), Options{})
		if plan == nil {
			t.Errorf("%v: %v", d, diags)
			continue
		}
		if got := plan.Cells[0].Recovery.HandsOn; got != d {
			t.Errorf("%v came back as %v", d, got)
		}
	}
}
