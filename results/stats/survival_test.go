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
	}
	tests := []struct {
		name string
		obs  []Observation
		rows []row
	}{
		{"Freireich 6-MP", mercaptopurine, []row{ // Klein and Moeschberger 2003, table 4.1B
			{6, 21, 0.8571}, {7, 17, 0.8067}, {10, 15, 0.7529}, {13, 12, 0.6902}, {16, 11, 0.6275}, {22, 7, 0.5378}, {23, 6, 0.4482},
		}},
		{"Collett IUD", collettIUD, []row{ // Collett, tables 2.2 and 2.4
			{10, 18, 0.9444}, {19, 15, 0.8815}, {30, 13, 0.8137}, {36, 12, 0.7459}, {59, 8, 0.6526}, {75, 7, 0.5594},
			{93, 6, 0.4662}, {97, 5, 0.3729}, {107, 3, 0.2486},
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
			}
		})
	}
}

func TestQuantileTextbook(t *testing.T) {
	never := math.Inf(1) // for nil
	tests := []struct {
		name string
		obs  []Observation
		p    float64
		want float64
	}{
		{"6-MP median", mercaptopurine, 0.5, 23}, // Kleinbaum and Klein
		{"placebo median", placebo, 0.5, 8},      // likewise
		{"IUD median", collettIUD, 0.5, 93},      // Collett, section 2.4
		{"6-MP 90 % not reached", mercaptopurine, 0.9, never},
		{"everyone back", placebo, 1, 23},
		{"rounding: 2 of 8", survival("1 2 3 4 5 6 7 8"), 0.25, 2},
		{"rounding: 9 of 10", survival("1 2 3 4 5 6 7 8 9 10"), 0.9, 9},
		{"next to none, the first censored", survival("1+ 2"), 1e-10, 2},
		{"no observations", nil, 0.5, never},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := never
			if q := KaplanMeier(tt.obs).Quantile(tt.p); q != nil {
				got = *q
			}
			if got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

func TestRestrictedMeanTextbook(t *testing.T) {
	// Klein and Moeschberger 2003, example 4.2 continued: the 6-MP group's mean, restricted to 35 weeks, is 23.287.
	near(t, "mean", KaplanMeier(mercaptopurine).RestrictedMean(35), 23.287, 0.0015)
}

func TestRestrictedMeanUncensored(t *testing.T) {
	// Without censoring it is the plain mean of min(t, tau).
	times := []float64{3, 9, 4, 4, 20, 11}
	var obs []Observation
	sum := 0.0
	const tau = 10
	for _, x := range times {
		obs = append(obs, Observation{Time: x})
		sum += math.Min(x, tau)
	}
	near(t, "mean", KaplanMeier(obs).RestrictedMean(tau), sum/float64(len(times)), 1e-12)
	if m := KaplanMeier(nil).RestrictedMean(7); m != 7 {
		t.Errorf("mean of nothing restricted to 7 is %v, want 7: S stays 1", m)
	}
	if m := KaplanMeier(survival("5 5 5")).RestrictedMean(0); m != 0 {
		t.Errorf("mean restricted to 0 is %v", m)
	}
	if m := KaplanMeier(survival("5 5 5")).RestrictedMean(9); m != 5 {
		t.Errorf("mean of equal times is %v, want 5", m)
	}
}

func TestKaplanMeierEdges(t *testing.T) {
	// Events before the censored at the same time: those were at risk.
	s := KaplanMeier(survival("4+ 4 4+ 4")).Steps
	if len(s) != 1 || s[0].AtRisk != 4 || s[0].Events != 2 || s[0].Censored != 2 || s[0].Survival != 0.5 {
		t.Errorf("events and censoring at one time: %+v", s)
	}
	if s := KaplanMeier(survival("4 4 4 4")).Steps; s[0].Survival != 0 {
		t.Errorf("all at one time: %+v, want S = 0", s)
	}
	if s := KaplanMeier(survival("4+ 5+")).Steps; s[1].Survival != 1 {
		t.Errorf("all censored: %+v, want S = 1", s)
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
		previous := Step{Survival: 1}
		total := 0
		for i, s := range c.Steps {
			if s.Survival > previous.Survival || s.Survival < 0 {
				t.Fatalf("%+v after %+v in %v", s, previous, obs)
			}
			if i > 0 && (s.Time <= previous.Time || s.AtRisk != previous.AtRisk-previous.Events-previous.Censored) {
				t.Fatalf("%+v after %+v in %v", s, previous, obs)
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

		// Without censoring 1-S is the empirical distribution.
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
		}

		// Quantiles do not decrease in p.
		at := -1.0
		for _, p := range []float64{0.1, 0.25, 0.5, 0.75, 0.9, 1} {
			q := c.Quantile(p)
			if q == nil {
				at = math.Inf(1)
				continue
			}
			if *q < at {
				t.Fatalf("quantile %v of %v: %v, after %v", p, obs, *q, at)
			}
			at = *q
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
			if least := KaplanMeier(atOnce).Quantile(p); bound == nil || *bound != *least {
				t.Fatalf("bound of quantile %v of %v: %v, want %v", p, obs, bound, *least)
			}
			if q := KaplanMeier(later).Quantile(p); *q < *bound {
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
