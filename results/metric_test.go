package results

import "testing"

func TestHolds(t *testing.T) {
	at := func(v float64) *float64 { return &v }
	for _, row := range []struct {
		name string
		m    Metric
		v    float64
		want bool
	}{
		{"within", Metric{Level: 0.95, Lo: at(1), Hi: at(2)}, 1.5, true},
		{"at the lower limit", Metric{Level: 0.95, Lo: at(1), Hi: at(2)}, 1, true},
		{"at the upper limit", Metric{Level: 0.95, Lo: at(1), Hi: at(2)}, 2, true},
		{"below", Metric{Level: 0.95, Lo: at(1), Hi: at(2)}, 0.9, false},
		{"above", Metric{Level: 0.95, Lo: at(1), Hi: at(2)}, 2.1, false},
		{"a sum in another order", Metric{Level: 0.95, Lo: at(239457), Hi: at(239457)}, 239457 * (1 + 1e-12), true},
		{"below an open upper limit", Metric{Level: 0.95, Lo: at(1)}, 0.9, false},
		{"above an open upper limit", Metric{Level: 0.95, Lo: at(1)}, 9, true},
		{"above a limit that was not reached", Metric{Level: 0.95, Lo: at(1), Hi: at(2), HiAtLeast: true}, 9, true},
		{"no interval", Metric{Value: at(1)}, 1, false},
	} {
		if got := row.m.Holds(row.v); got != row.want {
			t.Errorf("%s: %v, want %v", row.name, got, row.want)
		}
	}
}
