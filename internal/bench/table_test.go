package main

import (
	"strings"
	"testing"
	"time"
)

// marks are those of the rows of which something is promised.
func marks(rows []row) string {
	var all []string
	for _, r := range rows {
		if (r.bound == "") != (r.mark == none) {
			return r.name + ": a bound without a mark, or a mark without a bound"
		}
		if r.mark != none {
			all = append(all, string(r.mark))
		}
	}
	return strings.Join(all, " ")
}

func TestStartRows(t *testing.T) {
	of := func(wall, guests float64) cost {
		s := func(x float64) time.Duration { return time.Duration(x * float64(time.Second)) }
		return cost{s(wall), used{own: s(guests / 10), daemon: s(guests / 10), guests: s(guests)}}
	}
	for _, c := range []struct {
		byCopy, byBoot cost
		want           string
	}{
		{of(1, 2), of(10, 20), "kept kept"},
		{of(1, 2), of(9.9, 20), "BROKEN kept"},
		{of(1, 2), of(10, 19.9), "kept BROKEN"},
	} {
		if got := marks(startRows(50, c.byCopy, c.byBoot, c.byBoot)); got != c.want {
			t.Errorf("%v against %v: %s, want %s", c.byCopy, c.byBoot, got, c.want)
		}
	}
	// The times and the CPU times of one start need not be in the same order.
	if got := medianCost([]cost{of(1, 9), of(2, 8), of(3, 7)}); got != of(2, 8) {
		t.Errorf("median %v", got)
	}
	if got := medianCost([]cost{of(1, 5), of(2, 9), of(3, 7)}); got.wall != of(2, 0).wall || got.cpu != of(0, 7).cpu {
		t.Errorf("median %v", got)
	}
}

func TestIdleRows(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		own, guests time.Duration // in a second
		mean        int64
		want        string
	}{
		{50 * time.Millisecond, 950 * time.Millisecond, 45 * mib, "kept kept kept"},
		{50 * time.Millisecond, 950 * time.Millisecond, 45*mib + 1, "BROKEN kept kept"},
		{50 * time.Millisecond, 951 * time.Millisecond, mib, "kept BROKEN kept"},
		{51 * time.Millisecond, 949 * time.Millisecond, mib, "kept kept BROKEN"},
	} {
		if got := marks(idleRows(100, time.Second, used{own: c.own, guests: c.guests}, c.mean, c.mean)); got != c.want {
			t.Errorf("%+v: %s, want %s", c, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	table := table{"`make bench` on a machine", []row{
		{"one", "1 s", "under 2 s", kept}, {"two | three", "4\n5", "", none}, {"six", "7", "under 6", broken},
	}}
	const markdown = "`make bench` on a machine:\n\n| what | measured | promised |  |\n| --- | --- | --- | --- |\n" +
		"| one | 1 s | under 2 s | kept |\n| two \\| three | 4 5 |  |  |\n| six | 7 | under 6 | BROKEN |\n"
	if got := string(table.markdown()); got != markdown {
		t.Errorf("got\n%s\nwant\n%s", got, markdown)
	}
	var text strings.Builder
	if err := table.writeText(&text); err != nil {
		t.Fatal(err)
	}
	if got := text.String(); !strings.Contains(got, "two | three  4 5                  \nsix          7         under 6    BROKEN\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestHosts(t *testing.T) {
	for _, architecture := range []string{"kernel", "user"} {
		all, err := hosts(t.Context(), architecture, 7)
		if err != nil {
			t.Fatal(err)
		}
		// The idle fleet is promised little CPU at the scenario's tempo, not at the language's.
		if len(all) != 7 || all[0].Architecture != architecture || all[0].Cold || all[0].Tempo.Beat != 5*time.Second {
			t.Errorf("%d hosts, the first %+v", len(all), all[0])
		}
	}
	if all, err := hosts(t.Context(), "none", 7); err == nil {
		t.Errorf("%v of an architecture that the scenario has not", all)
	}
}

func TestHostsToStart(t *testing.T) {
	for text, want := range map[string]int{"1": 1, "50": 50, "0": 0, "-1": 0, "": 0, "x": 0} {
		t.Setenv(hostsVariable, text)
		if n, err := hostsToStart(); n != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
}
