package results

import (
	"fmt"
	"strings"
	"testing"
)

// TestWhatNoRunWrites is refused, with checksums and without, by an error that names the line and what is wrong.
func TestWhatNoRunWrites(t *testing.T) {
	whole := linesOf(t, write(t))
	waves := linesOf(t, unfinished(t, StatusInterrupted, attempt{cell: "w", wave: 1, status: "settled"}))
	line := func(what string) int {
		for i, l := range whole {
			if strings.Contains(l, `"what":"`+what+`"`) {
				return i + 1
			}
		}
		t.Fatalf("no entry is %s", what)
		return 0
	}
	const header, trial, panics = 1, 2, 11
	mark, action, end := line(MarkInjected), line("serve"), line("settled")
	for _, c := range []struct {
		of       []string
		line     int
		old, now string
		want     string
	}{
		{whole, header, `"schema":`, `"schema":9`, "journal schema 9"},
		{whole, header, `"deadline":"1m0s"`, `"deadline":"-5s"`, "header: plan: deadline is -5s"},
		{whole, header, `"deadline":"1m0s"`, `"deadline":"100000h0m0s"`, "header: plan: deadline is 100000h0m0s"},
		{whole, header, `"stable_for":"1s"`, `"stable_for":"-1s"`, "stable_for is -1s"},
		{whole, header, `"liveness":"10s"`, `"liveness":"0s"`, "liveness is 0s"},
		{whole, header, `"latency_bound":"1s"`, `"latency_bound":"0s"`, "latency_bound is 0s"},
		{whole, header, `"beat":"1ns"`, `"beat":"-1ns"`, "tempo: beat is -1ns"},
		{whole, header, `"repeat":2`, `"repeat":1000000000`, "repeat is 1000000000"},
		{whole, header, `"repeat":2`, `"repeat":-2`, "repeat is -2"},
		{whole, header, `"hosts":1`, `"hosts":-1`, `cell "a" has -1 hosts`},
		{whole, header, `"hosts":1`, `"hosts":10000001`, `cell "a" has 10000001 hosts`},
		{whole, header, `"hosts":1`, `"hosts":9000000000000000000`, `cell "a" has 9000000000000000000 hosts`},
		{whole, header, `"id":"a"`, `"id":"b"`, `two cells are "b"`},
		{whole, header, `"id":"a"`, `"id":"../a"`, `".." is no name`},
		{whole, header, `"scenario":"s"`, `"scenario":"../s"`, "the scenario's name"},
		{whole, header, `"architecture":"kernel"`, `"architecture":"colonel"`, "unknown architecture"},
		{whole, header, `"backend":"libvirt"`, `"backend":"../paper"`, "the backend's name"},
		{whole, header, `"notice":"0s"`, `"notice":"-1s"`, "notice is -1s"},
		{whole, header, `"hands_on":{"kind":""`, `"hands_on":{"kind":"bell"`, "unknown distribution"},
		{whole, header, `"waves":{"w":2}`, `"waves":{"w":3}`, "3 waves of cell"},
		{whole, header, `"waves":{"w":2}`, `"waves":{"v":2}`, "2 waves of cell"},
		{whole, trial, `"cell":"c"`, `"cell":"d"`, `trial 1: the plan has no cell "d"`},
		{whole, trial, `"repeat":0`, `"repeat":2`, "trial 1: repeat 2, and the plan has 2"},
		{whole, trial, `"repeat":0`, `"repeat":-1`, "trial 1: repeat -1"},
		{whole, trial, `"repeat":0`, `"repeat":0,"attempt":1`, "attempt 1"},
		{whole, trial, `"repeat":0`, `"repeat":0,"wave":1,"waves":2`, "wave 1 of 2, and the run has the cell's fleet whole"},
		{whole, trial, `"repeat":0`, `"repeat":0,"verifies":1`, "it verifies trial 1, and the run has no such trial"},
		{whole, trial, `"hosts":[`, `"hosts":[{"name":"a","architecture":"kernel"},`, "2 hosts, and the plan has 1"},
		{whole, trial, `"name":"a"`, `"name":"../a"`, `host "../a"`},
		{whole, trial, `"architecture":"kernel"`, `"architecture":"user"`, `architecture "user"`},
		{whole, trial, `"name":"a"`, `"node":"n","name":"a"`, `machine "n"`},
		{waves, trial, `"wave":1`, `"wave":3`, "wave 3 of 2"},
		{waves, trial, `"waves":2`, `"waves":7`, "wave 1 of 7"},
		{waves, trial, `"wave":1,"waves":2,`, ``, "wave 0 of 0, and the run has 2"},
		{whole, panics, `"host":"a"`, `"host":"b"`, `event of trial 1: panic of host "b"`},
		{whole, panics, `"host":"a",`, ``, `panic of host ""`},
		{whole, panics, `"at":8`, `"at":-8`, "at -8ns, after one at 7ns"},
		{whole, panics, `"at":8`, `"at":9000000000000000000`, "at 2500000h0m0s, after"},
		{whole, panics, `"what":"panic"`, `"what":"sneeze"`, `unknown kind of event "sneeze"`},
		{whole, line("timer"), `"what":"timer"`, `"host":"a","what":"timer"`, `timer of host "a"`},
		{whole, line("beat"), `"work_units":2`, `"work_units":-2`, "beat with impossible figures"},
		{whole, line("beat"), `"work_units":2`, `"work_units":2000000000`, "beat with impossible figures"},
		{whole, line("beat"), `"work_max_ns":4`, `"work_max_ns":-4`, "beat with impossible figures"},
		{whole, line("beat"), `"work_units":2`, `"work_units":2,"loads":[{"units":-1}]`, "beat with impossible figures"},
		{whole, line("threat"), `"latency_ns":0`, `"latency_ns":-1`, "threat with impossible figures"},
		{whole, line("dumped"), `memory.dump`, `../memory.dump`, "dumped with impossible figures"},
		{whole, mark, MarkInjected, "ejected", `unknown mark "ejected"`},
		{whole, action, `"host":"a","what"`, `"host":"b","what"`, `serve of host "b", to "a"`},
		{whole, action, `"data":{"host":"a"`, `"data":{"host":"b"`, `serve of host "a", to "b"`},
		{whole, action, `"what":"serve"`, `"what":"sneeze"`, `unknown kind of action "sneeze"`},
		{whole, end, "settled", "happy", `unknown status "happy"`},
		{whole, end + 1, "complete", "happy", `unknown status "happy"`},
		{whole, end + 1, `"duration_ns":60000000000`, `"duration_ns":-6`, "it took -6ns"},
	} {
		l := append([]string(nil), c.of...)
		if l[c.line-1] = strings.Replace(l[c.line-1], c.old, c.now, 1); l[c.line-1] == c.of[c.line-1] {
			t.Fatalf("line %d has no %s: %s", c.line, c.old, l[c.line-1])
		}
		text := strings.Join(l, "")
		old := strings.Replace(sums.ReplaceAllString(text, "}"), `"schema":3`, `"schema":1`, 1)
		for name, journal := range map[string]string{"without checksums": old, "with checksums made anew": anew(t, l...)} {
			if strings.Contains(c.now, `"schema"`) {
				journal = text
			}
			_, err := Read(strings.NewReader(journal))
			if err == nil || !strings.HasPrefix(err.Error(), fmt.Sprintf("line %d: ", c.line)) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s in the place of %s: %v, want %s", name, c.now, c.old, err, c.want)
			}
		}
	}
}

// TestMarksAndBeatsTwice: what cannot have happened twice.
func TestMarksAndBeatsTwice(t *testing.T) {
	lines := strings.SplitAfter(withoutSums(t, write(t)), "\n")
	for what, want := range map[string]string{
		MarkInjected: "injected at 100ns, and it was at 100ns already", "beat": "no host has the same beat twice", "threat": "no host has the same threat twice",
		"panic": "no host has the same panic twice", "settled": "trial_end of trial 1, which was over",
	} {
		var twice strings.Builder
		for _, l := range lines {
			twice.WriteString(l)
			if strings.Contains(l, `"what":"`+what+`"`) {
				twice.WriteString(l)
			}
		}
		if _, err := Read(strings.NewReader(twice.String())); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s twice: %v, want %s", what, err, want)
		}
	}
}
