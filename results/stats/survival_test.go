package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Weeks in remission of 42 children with leukaemia: E. J. Freireich et al., Blood 21 (1963) 699-716; also in Kleinbaum
// and Klein, "Survival Analysis: A Self-Learning Text", and Klein and Moeschberger 2003, section 1.2.
var (
	mercaptopurine = survival("6 6 6 6+ 7 9+ 10 10+ 11+ 13 16 17+ 19+ 20+ 22 23 25+ 32+ 32+ 34+ 35+")
	placebo        = survival("1 1 2 2 3 4 4 5 5 8 8 8 8 11 11 12 12 15 17 22 23")
)

// Weeks to discontinuation of an IUD, 18 women: D. Collett, "Modelling Survival Data in Medical Research", table 1.1.
var collettIUD = survival("10 13+ 18+ 19 23+ 30 36 38+ 54+ 56+ 59 75 93 97 104+ 107 107+ 107+")

// survival reads times as textbooks print them, with a + behind those that are censored.
func survival(s string) []Observation {
	var obs []Observation
	t := 0.0
	seen := false
	for _, c := range s + " " {
		switch {
		case c >= '0' && c <= '9':
			t, seen = t*10+float64(c-'0'), true
		case c == '+':
			obs = append(obs, Observation{t, true})
			t, seen = 0, false
		case seen:
			obs = append(obs, Observation{t, false})
			t, seen = 0, false
		}
	}
	return obs
}

func TestKaplanMeierTextbook(t *testing.T) {
	type row struct {
		time     float64
		atRisk   int
		survival float64
		se       float64
		lo, hi   float64 // 0 where the source prints none
	}
	tests := []struct {
		name string
		obs  []Observation
		rows []row
	}{
		// S and Greenwood's SE: Klein and Moeschberger 2003, table 4.1B. Limits: Stata's `sts list` of the same data,
		// as printed in Kleinbaum and Klein's computer appendix.
		{"Freireich 6-MP", mercaptopurine, []row{
			{6, 21, 0.8571, 0.0764, 0.6197, 0.9516},
			{7, 17, 0.8067, 0.0869, 0.5631, 0.9228},
			{10, 15, 0.7529, 0.0963, 0.5032, 0.8894},
			{13, 12, 0.6902, 0.1068, 0.4316, 0.8491},
			{16, 11, 0.6275, 0.1141, 0.3675, 0.8049},
			{22, 7, 0.5378, 0.1282, 0.2678, 0.7468},
			{23, 6, 0.4482, 0.1346, 0.1881, 0.6801},
		}},
		// Collett, tables 2.2 and 2.4.
		{"Collett IUD", collettIUD, []row{
			{10, 18, 0.9444, 0.0540, 0, 0},
			{19, 15, 0.8815, 0.0790, 0, 0},
			{30, 13, 0.8137, 0.0978, 0, 0},
			{36, 12, 0.7459, 0.1107, 0, 0},
			{59, 8, 0.6526, 0.1303, 0, 0},
			{75, 7, 0.5594, 0.1412, 0, 0},
			{93, 6, 0.4662, 0.1452, 0, 0},
			{97, 5, 0.3729, 0.1430, 0, 0},
			{107, 3, 0.2486, 0.1392, 0, 0},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var events []Step
			for _, s := range KaplanMeier(tt.obs).Steps {
				if s.Events > 0 {
					events = append(events, s)
				}
			}
			if len(events) != len(tt.rows) {
				t.Fatalf("%d event times, want %d", len(events), len(tt.rows))
			}
			for i, want := range tt.rows {
				s := events[i]
				if s.Time != want.time || s.AtRisk != want.atRisk {
					t.Errorf("step %d: time %v with %d at risk, want %v with %d", i, s.Time, s.AtRisk, want.time, want.atRisk)
				}
				near(t, "survival", s.Survival, want.survival, 5e-5+1e-9)
				near(t, "SE", s.SE, want.se, 5e-5+1e-9)
				if want.hi != 0 {
					near(t, "lower limit", s.Lo, want.lo, 5e-5+1e-9)
					near(t, "upper limit", s.Hi, want.hi, 5e-5+1e-9)
				}
			}
		})
	}
}

func TestQuantileTextbook(t *testing.T) {
	inf := math.Inf(1) // for nil
	tests := []struct {
		name      string
		obs       []Observation
		p         float64
		v, lo, hi float64
	}{
		// Medians: Kleinbaum and Klein give 23 and 8 weeks. Limits by the definition, read off the limits above; 8 (4, 11)
		// is also what Stata's `stci` gives for the placebo group.
		{"6-MP median", mercaptopurine, 0.5, 23, 13, inf},
		{"placebo median", placebo, 0.5, 8, 4, 11},
		// Collett, section 2.4: "the estimated median discontinuation time is 93 weeks"; the lower limit by
		// the definition, S(36)^exp(1.96 · 0.1107 / (0.7459 · 0.2932)) = 0.45.
		{"IUD median", collettIUD, 0.5, 93, 36, inf},
		{"6-MP 90 % not reached", mercaptopurine, 0.9, inf, inf, inf},
		{"everyone back", placebo, 1, 23, 23, inf},
		{"rounding: 2 of 8", survival("1 2 3 4 5 6 7 8"), 0.25, 2, 1, 5},
		{"rounding: 9 of 10", survival("1 2 3 4 5 6 7 8 9 10"), 0.9, 9, 7, inf},
		{"no observations", nil, 0.5, inf, inf, inf},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := KaplanMeier(tt.obs).Quantile(tt.p)
			deref := func(x *float64) float64 {
				if x == nil {
					return inf
				}
				return *x
			}
			if deref(q.Value) != tt.v || deref(q.Lo) != tt.lo || deref(q.Hi) != tt.hi {
				t.Errorf("got %v [%v, %v], want %v [%v, %v]", deref(q.Value), deref(q.Lo), deref(q.Hi), tt.v, tt.lo, tt.hi)
			}
		})
	}
}

func TestRestrictedMeanTextbook(t *testing.T) {
	// Klein and Moeschberger 2003, example 4.2 continued: the 6-MP group's mean, restricted to 35 weeks, is 23.287 with a
	// standard error of 2.827.
	m := KaplanMeier(mercaptopurine).RestrictedMean(35)
	near(t, "mean", m.Value, 23.287, 0.0015)
	near(t, "SE", m.SE, 2.827, 0.0015)
	near(t, "upper limit", m.Hi, 23.287+1.96*2.827, 0.01)
}

func TestRestrictedMeanUncensored(t *testing.T) {
	// Without censoring it is the plain mean of min(t, tau), and the variance that of a mean, with n in the divisor.
	times := []float64{3, 9, 4, 4, 20, 11}
	var obs []Observation
	var sum, squares float64
	const tau = 10
	for _, x := range times {
		obs = append(obs, Observation{Time: x})
		sum += math.Min(x, tau)
		squares += math.Min(x, tau) * math.Min(x, tau)
	}
	n := float64(len(times))
	m := KaplanMeier(obs).RestrictedMean(tau)
	near(t, "mean", m.Value, sum/n, 1e-12)
	near(t, "SE", m.SE, math.Sqrt((squares/n-sum/n*sum/n)/n), 1e-12)
	if m := KaplanMeier(nil).RestrictedMean(7); m.Value != 7 || m.SE != 0 {
		t.Errorf("mean of nothing restricted to 7 is %v ± %v, want 7 ± 0: S stays 1", m.Value, m.SE)
	}
	if m := KaplanMeier(survival("5 5 5")).RestrictedMean(9); m.Value != 5 || m.SE != 0 {
		t.Errorf("mean of equal times is %v ± %v, want 5 ± 0", m.Value, m.SE)
	}
}

func TestKaplanMeierEdges(t *testing.T) {
	// Events before the censored at the same time: those were at risk.
	s := KaplanMeier(survival("4+ 4 4+ 4")).Steps
	if len(s) != 1 || s[0].AtRisk != 4 || s[0].Events != 2 || s[0].Censored != 2 || s[0].Survival != 0.5 {
		t.Errorf("events and censoring at one time: %+v", s)
	}
	if s := KaplanMeier(survival("4 4 4 4")).Steps; s[0].Survival != 0 || s[0].Lo != 0 || s[0].Hi != Wilson(0, 4).Hi {
		t.Errorf("all at one time: %+v, want S = 0 with Wilson's limits", s)
	}
	if s := KaplanMeier(survival("4+ 5+")).Steps; s[1].Survival != 1 || s[1].Hi != 1 || s[1].Lo != Wilson(1, 1).Lo {
		t.Errorf("all censored: %+v, want S = 1 with Wilson's limits", s)
	}
	last := KaplanMeier(placebo).Steps
	if end, before := last[len(last)-1], last[len(last)-2]; end.Survival != 0 || end.Lo != 0 || end.Hi != before.Hi {
		t.Errorf("end %+v, want S = 0 with the upper limit of the step before, %v", end, before.Hi)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), -1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("a time of %v did not panic", bad)
				}
			}()
			KaplanMeier([]Observation{{Time: bad}})
		}()
	}
}

func TestKaplanMeierProperties(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		obs := randomObservations(rng, 1+rng.IntN(40))
		c := KaplanMeier(obs)
		previous := Step{Survival: 1, Lo: 1, Hi: 1}
		total := 0
		for i, s := range c.Steps {
			if s.Survival > previous.Survival || s.Lo < 0 || s.Hi > 1 || s.Lo > s.Survival || s.Survival > s.Hi {
				t.Fatalf("%+v after %+v in %v", s, previous, obs)
			}
			if i > 0 && (s.Time <= previous.Time || s.AtRisk != previous.AtRisk-previous.Events-previous.Censored) {
				t.Fatalf("%+v after %+v in %v", s, previous, obs)
			}
			if n := c.atRisk(s.Time); n != s.AtRisk {
				t.Fatalf("%d at risk at %v, not as %+v", n, s.Time, s)
			}
			total += s.Events + s.Censored
			previous = s
		}
		if total != len(obs) || c.Events+c.Censored != c.N {
			t.Fatalf("%d of %d observations in the steps", total, len(obs))
		}

		shuffled := slices.Clone(obs)
		rng.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if !slices.Equal(KaplanMeier(shuffled).Steps, c.Steps) {
			t.Fatal("the order of the observations matters")
		}

		// Without censoring 1-S is the empirical distribution, and Greenwood's the binomial standard error.
		for i := range obs {
			obs[i].Censored = false
		}
		n := float64(len(obs))
		for _, s := range KaplanMeier(obs).Steps {
			later := 0.0
			for _, o := range obs {
				if o.Time > s.Time {
					later++
				}
			}
			near(t, "uncensored survival", s.Survival, later/n, 1e-12)
			near(t, "uncensored SE", s.SE, math.Sqrt(later/n*(1-later/n)/n), 1e-12)
		}

		// Quantiles do not decrease in p.
		at := -1.0
		for _, p := range []float64{0.1, 0.25, 0.5, 0.75, 0.9, 1} {
			q := c.Quantile(p)
			if q.Value == nil {
				at = math.Inf(1)
				continue
			}
			if *q.Value < at || q.Lo == nil || *q.Lo > *q.Value || q.Hi != nil && *q.Hi < *q.Value {
				t.Fatalf("quantile %v of %v: %v [%v, %v]", p, obs, *q.Value, q.Lo, q.Hi)
			}
			at = *q.Value
		}
	}
}

// However late the censored had their events, no quantile comes before its bound, and where all had them at once, none
// later.
func TestBound(t *testing.T) {
	if b := (Curve{}).Bound(0.5); b != nil {
		t.Errorf("of nothing: %v", *b)
	}
	rng := rand.New(rand.NewPCG(7, 7))
	for range 500 {
		obs := randomObservations(rng, 1+rng.IntN(12))
		atOnce, later := make([]Observation, len(obs)), make([]Observation, len(obs))
		for i, o := range obs {
			atOnce[i], later[i] = Observation{Time: o.Time}, Observation{Time: o.Time}
			if o.Censored {
				later[i].Time += float64(rng.IntN(20))
			}
		}
		for _, p := range []float64{0.1, 0.5, 0.9, 0.97, 1} {
			bound := KaplanMeier(obs).Bound(p)
			if least := KaplanMeier(atOnce).Quantile(p).Value; bound == nil || *bound != *least {
				t.Fatalf("bound of quantile %v of %v: %v, want %v", p, obs, bound, *least)
			}
			if q := KaplanMeier(later).Quantile(p).Value; *q < *bound {
				t.Fatalf("quantile %v of %v is %v, and could not be less than %v", p, later, *q, *bound)
			}
		}
	}
}

// randomObservations draws few distinct times, so that ties are common.
func randomObservations(rng *rand.Rand, n int) []Observation {
	obs := make([]Observation, n)
	for i := range obs {
		obs[i] = Observation{Time: float64(rng.IntN(15)), Censored: rng.IntN(3) == 0}
	}
	return obs
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.IsNaN(got) || math.Abs(got-want) > tolerance {
		t.Errorf("%s is %v, want %v within %v", what, got, want, tolerance)
	}
}
