package report

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/fleetfall/fleetfall/results"
)

func TestAmount(t *testing.T) {
	for _, tt := range []struct {
		v    float64
		unit string
		want string
	}{
		{0, "share", "0 %"}, {1, "share", "100 %"}, {1.0 / 3, "share", "33.3 %"}, {0.5, "share", "50 %"},
		{1e-7, "share", "<0.1 %"}, {0.99999, "share", ">99.9 %"},
		{0, "s", "0 s"}, {2.5e-5, "s", "25 µs"}, {0.00342, "s", "3.4 ms"}, {0.85, "s", "850 ms"}, {4.2, "s", "4.2 s"},
		{59.94, "s", "59.9 s"}, {59.96, "s", "1 min"}, {750, "s", "12 min 30 s"}, {3599.6, "s", "1 h"},
		{4680, "s", "1 h 18 min"}, {-34, "s", "−34 s"}, {172800, "s", "2 d"}, {273600, "s", "3 d 4 h"},
		{86400e6, "s", "1\u2009000\u2009000 d"},
		{0.125, "ratio", "12.5 %"}, {-0.031, "ratio", "−3.1 %"}, {2.5, "ratio", "250 %"}, {-1e-5, "ratio", "0 %"},
		{512, "bytes", "512 B"}, {1024 * 1536, "bytes", "1.5 MiB"}, {1<<30 - 1, "bytes", "1 GiB"}, {-2048, "bytes", "−2 KiB"},
		{8, "count", "8"}, {2.25, "count", "2.25"}, {12.34, "count", "12.3"}, {1036, "count", "1\u2009036"},
		{-1234567, "count", "−1\u2009234\u2009567"}, {999.7, "", "1\u2009000"},
	} {
		if got := amount(tt.v, tt.unit); got != tt.want {
			t.Errorf("%v %s: %q, want %q", tt.v, tt.unit, got, tt.want)
		}
	}
}

func TestInterval(t *testing.T) {
	for _, tt := range []struct {
		m    results.Metric
		want string
	}{
		{fig(1, 0.6756, 1, 8, "share"), "67.6–100 %"},
		{fig(70, 60, 80, 8, "s"), "1 min – 1 min 20 s"},
		{fig(3, 2, 4.5, 8, "s"), "2–4.5 s"},
		{fig(1, 0.9, 1.1, 8, "s"), "900 ms – 1.1 s"},
		{fig(4, 4, 4, 8, "count"), ""},
		{fig(0.02, -0.01, 0.05, 8, "ratio"), "−1–5 %"},
		{fig(3<<20, 2<<20, 4<<20, 8, "bytes"), "2–4 MiB"},
		{fig(1036, 900, 1340, 8, "count"), "900–1\u2009340"},
		{results.Metric{Value: ptr(70), Lo: ptr(60), Unit: "s"}, "≥ 1 min"},
		{results.Metric{Value: ptr(70), Hi: ptr(60), Unit: "s"}, "≤ 1 min"},
		{results.Metric{Unit: "s"}, ""},
	} {
		if got := interval(tt.m); got != tt.want {
			t.Errorf("%+v: %q, want %q", tt.m, got, tt.want)
		}
	}
}

func TestBound(t *testing.T) {
	for _, tt := range []struct {
		least, most *float64
		unit, want  string
	}{
		{nil, ptr(0.5), "share", "≤ 50 %"}, {ptr(1), nil, "share", "≥ 100 %"}, {ptr(0), ptr(0), "share", "= 0 %"},
		{ptr(60), ptr(90), "s", "1 min to 1 min 30 s"}, {ptr(0.2), ptr(0.5), "share", "20 % to 50 %"}, {nil, nil, "s", missing},
	} {
		if got := bounds(results.Expectation{Min: tt.least, Max: tt.most}, tt.unit); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestLabels(t *testing.T) {
	cells := []results.Cell{
		{ID: "a/u/r/none", Fleet: "a", Update: "u", Rollout: "r", Recovery: "none"},
		{ID: "a/u/r/safe", Fleet: "a", Update: "u", Rollout: "r", Recovery: "safe"},
		{ID: "twin", Fleet: "a", Update: "u", Rollout: "r", Recovery: "safe"},
	}
	if got, want := labels(cells), []string{"a / none", "a / safe", "twin"}; !slices.Equal(got, want) {
		t.Errorf("labels %q, want %q", got, want)
	}
	if got := labels(cells[:1]); got[0] != "a" {
		t.Errorf("the label of the only cell is %q, want its fleet", got[0])
	}
}

func TestTicks(t *testing.T) {
	for _, ends := range [][2]float64{{0, 1800}, {-34, 420}, {0, 0.3}, {-1, longest}, {-longest, longest}} {
		a := axis{ends[0], ends[1], 0, 500}
		ticks := a.ticks(6)
		if len(ticks) < 2 || len(ticks) > 7 || ticks[0] < a.from || ticks[len(ticks)-1] > a.to*(1+1e-9) {
			t.Errorf("axis from %v to %v: ticks %v", a.from, a.to, ticks)
		}
	}
}

// TestVisibleKeepsShortOutages: what is too short for a pixel shows all the same, as the worst of it.
func TestVisibleKeepsShortOutages(t *testing.T) {
	a := axis{0, 1000, 0, 100} // 10 s a pixel
	got := visible(a, []results.Span{{State: "protected", From: -50, To: 500}, {State: "unprotected", From: 500, To: 501},
		{State: "down", From: 501, To: 502}, {State: "degraded", From: 502, To: 504},
		{State: "protected", From: 504, To: 2000}, {State: "no such", From: 2000, To: 3000}})
	want := []results.Span{{State: "protected", From: 0, To: 500}, {State: "down", From: 500, To: 510},
		{State: "protected", From: 504, To: 1000}}
	if !slices.Equal(got, want) {
		t.Errorf("visible spans %+v, want %+v", got, want)
	}
}

func TestTally(t *testing.T) {
	a := axis{0, 100, 0, 200}
	tl := newTally(10)
	tl.add(a, 0, -20, 25)
	tl.add(a, 1, 25, 400)
	tl.add(a, -1, 0, 100)
	tl.add(a, 2, 50, 40)
	if want := []float64{1, 1, 0.5, 0, 0, 0, 0, 0, 0, 0}; !slices.Equal(tl[0], want) {
		t.Errorf("first state %v, want %v", tl[0], want)
	}
	for i := range 10 {
		if sum := tl[0][i] + tl[1][i]; sum != 1 {
			t.Errorf("column %d holds %v hosts, want 1", i, sum)
		}
	}
}

func TestMarks(t *testing.T) {
	a := axis{0, 100, 0, 1000}
	var moments []results.Moment
	for i := range 50 {
		moments = append(moments, results.Moment{At: float64(i) / 100})
	}
	moments = append(moments, results.Moment{At: 50}, results.Moment{At: 101})
	got := marks(a, moments)
	if len(got) != 2 || got[0].n != 50 || got[0].last.At != 0.49 || got[1].n != 1 {
		t.Errorf("marks %+v, want one of 50 and one of 1", got)
	}
}

func FuzzCleanText(f *testing.F) {
	for _, s := range []string{"plain", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07x", "\x1b]8;;u\x1b\\link", "\x1b[2", "\x1b", "a\r\nb\rc",
		"\xff\xfe", "\u202eback", "\x1bPdcs\x1b\\", "\x1b[\n", "tab\tend\n", "é\u200b", "\u009b31m"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := cleanText(s)
		if !utf8.ValidString(got) {
			t.Errorf("%q is not UTF-8", got)
		}
		if i := strings.IndexFunc(got, func(c rune) bool { return c != '\n' && c != '\t' && !unicode.IsPrint(c) }); i >= 0 {
			t.Errorf("%q holds an invisible character at %d", got, i)
		}
		if again := cleanText(got); len(got) < maxText && again != got {
			t.Errorf("cleaned twice: %q, once: %q", again, got)
		}
		if len(got) > 3*maxText+20 {
			t.Errorf("%d bytes", len(got))
		}
	})
}

func TestWhere(t *testing.T) {
	for want, c := range map[string]results.Cause{
		"":                              {},
		"ff_match+0x1b3/0x2a0 [agentk]": {Function: "ff_match", Offset: "0x1b3/0x2a0", Module: "agentk"},
		"memcmp+0x8/0x40, called by agentk:ff_load": {Function: "memcmp", Offset: "0x8/0x40", Caller: "agentk:ff_load"},
	} {
		if got := where(c); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestCleanText(t *testing.T) {
	for in, want := range map[string]string{
		"\x1b[1;31mred\x1b[0m!": "red!", "\x1b]0;title\x07x": "x", "\x1b]8;;u\x1b\\link": "link", "\x1b[2": "",
		"a\r\nb\rc": "a\nb\nc", "\u202eback\x00": "back", "\xff": "\ufffd", "no\u00a0break": "no break",
		"\x1b[\nkept": "\nkept", "\x1b(Bkept": "Bkept",
	} {
		if got := cleanText(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}
