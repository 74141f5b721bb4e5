package console

import (
	"bytes"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// The fuzzer varies few bytes, because it tries each part of what it finds again: a script of two bytes a line, each
// of which chooses one of the fixtures' lines, and the text of one line more.
const (
	maxScript = 80
	maxText   = 160
)

// lines are the distinct lines of the fixtures.
func lines(f testing.TB) (all []string, index map[string]int) {
	index = map[string]int{}
	fixtures := fixtures(f)
	for _, file := range slices.Sorted(maps.Keys(fixtures)) {
		for line := range strings.SplitAfterSeq(fixtures[file].console, "\n") {
			if _, known := index[line]; !known {
				index[line] = len(all)
				all = append(all, line)
			}
		}
	}
	return all, index
}

// script is a fixture's lines, without registers and, of each kind of line that comes in numbers, without the most.
func script(console string, index map[string]int) []byte {
	var script []byte
	seen := map[string]int{}
	for line := range strings.SplitAfterSeq(console, "\n") {
		_, text, _ := strings.Cut(line, "] ")
		begin, _, _ := strings.Cut(text, " ")
		switch seen[begin]++; {
		case strings.Contains(" Code: RSP: FS: CS: Hardware Modules ", " "+begin+" ") && begin != "", seen[begin] > 2 && begin != "", seen[begin] > 14:
		case strings.HasPrefix(begin, "R") && len(begin) == 4 && !strings.HasPrefix(text, "RIP: 0010:"):
		case len(script) < maxScript:
			script = binary.LittleEndian.AppendUint16(script, uint16(index[line]))
		}
	}
	return script
}

// told is the console that a script tells of, with the text after a line of it.
func told(script []byte, text string, after uint8, all []string) string {
	var b strings.Builder
	for i := 0; i+1 < len(script); i += 2 {
		b.WriteString(all[int(binary.LittleEndian.Uint16(script[i:]))%len(all)])
		if i/2 == int(after) {
			b.WriteString(text)
		}
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	all, index := lines(f)
	for _, fixture := range fixtures(f) {
		first, _, _ := strings.Cut(fixture.console, "\n")
		f.Add(script(fixture.console, index), first[:min(len(first), maxText)], uint8(len(fixture.console)%16))
	}
	f.Fuzz(func(t *testing.T, script []byte, text string, after uint8) {
		if len(script) > maxScript || len(text) > maxText {
			return
		}
		data := []byte(told(script, text, after, all))
		whole := parse(data)
		var p Parser
		var chunked []Report
		rnd := rand.New(rand.NewPCG(uint64(len(data)), uint64(after)))
		for rest := data; len(rest) > 0; {
			n := 1 + rnd.IntN(min(len(rest), 100))
			chunk := bytes.Clone(rest[:n])
			chunked = append(chunked, p.Write(chunk)...)
			clear(chunk) // is the caller's again
			rest = rest[n:]
			// What was reported stands, however the console goes on.
			if len(chunked) > len(whole) || len(chunked) > 0 && !reflect.DeepEqual(chunked, whole[:len(chunked)]) {
				t.Fatalf("of a part: %+v\nof the whole: %+v\nof %s", chunked, whole, data)
			}
		}
		if chunked = append(chunked, p.Flush()...); !reflect.DeepEqual(whole, chunked) {
			t.Fatalf("in chunks: %+v\nwhole: %+v\nof %s", chunked, whole, data)
		}
		for _, r := range whole {
			wellFormed(t, r)
		}
	})
}

// wellFormed checks what holds of each report.
func wellFormed(t *testing.T, r Report) {
	t.Helper()
	for _, text := range append([]string{r.Title, r.Type, r.Module, r.Function, r.Offset, r.Caller}, r.Excerpt...) {
		if text != printable(text) || len(text) > 4*maxLine {
			t.Errorf("%q in %+v", text, r)
		}
	}
	if r.Type == "" || r.Title == "" || len(r.Excerpt) == 0 || len(r.Excerpt) > maxExcerpt || r.At < 0 {
		t.Errorf("malformed report %+v", r)
	}
	if r.Caller != "" && (r.Module != "" || r.Function == "") {
		t.Errorf("a caller of what is in a module, or unknown: %+v", r)
	}
	if r.Function == "" && r.Module+r.Offset != "" || r.Function != "" && r.Offset == "" {
		t.Errorf("half a place: %+v", r)
	}
}

// Scripts are short, and most of them say what the whole fixtures say.
func TestScriptsSayWhatFixturesSay(t *testing.T) {
	all, index := lines(t)
	same, fixtures := 0, fixtures(t)
	for file, f := range fixtures {
		s := script(f.console, index)
		if len(s) > maxScript {
			t.Errorf("%s: %d bytes", file, len(s))
		}
		if header(parse([]byte(told(s, "", 0, all)))) == header(parse([]byte(f.console))) {
			same++
		}
	}
	if same < len(fixtures)*3/4 {
		t.Errorf("%d of %d scripts say what the fixtures say", same, len(fixtures))
	}
}
