package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

const boot = "0f8fad5b-d9cb-469f-a165-70867728950e"

func TestLineReader(t *testing.T) {
	long := strings.Repeat("x", 100)
	input := "\n\nfirst\n  second \n" + long + "\nthird\n\x00\xff\n" + strings.Repeat("y", 10) + "\nunfinished"
	for name, r := range map[string]io.Reader{
		"at once":      strings.NewReader(input),
		"byte by byte": iotest.OneByteReader(strings.NewReader(input)),
	} {
		lines := NewLineReader(r, 10)
		var got []string
		for {
			line, err := lines.Next()
			if errors.Is(err, ErrTooLong) {
				got = append(got, "<"+err.Error()+">")
				continue
			}
			if err != nil {
				if !errors.Is(err, io.EOF) {
					t.Errorf("%s: %v", name, err)
				}
				break
			}
			got = append(got, string(line))
		}
		want := []string{"first", "second", "<line too long: 100 bytes, at most 10>", "third", "\x00\xff", "yyyyyyyyyy"}
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestLineReaderIsBounded reads a line without end, of which no more than the bound may be kept.
func TestLineReaderIsBounded(t *testing.T) {
	const size = 64 << 20
	lines := NewLineReader(io.LimitReader(endless{}, size), 1000)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := lines.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("a line without end: %v", err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > size/8 {
		t.Errorf("%d bytes were allocated for a line that is dropped", grown)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'z'
	}
	return len(p), nil
}

func TestParseRequest(t *testing.T) {
	good := []Request{
		{ID: 1, Boot: boot, Uptime: time.Second, Hello: &Hello{Mode: "normal", Architecture: "kernel", ContentVersion: 1}},
		{ID: 2, Boot: boot, Beat: &Beat{WorkUnits: 2, WorkFailed: 1, WorkTotal: 5, WorkMax: 3, Threats: []Threat{{ID: 1, Blocked: true}}}},
		{ID: 3, Boot: boot, Fetch: &Fetch{Have: 1}},
		{ID: 4, Boot: boot, Log: &Log{Text: "x"}},
		{ID: 5, Uptime: time.Second, Identify: &Identify{}},
	}
	for _, want := range good {
		line, err := AppendLine(nil, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseRequest(bytes.TrimSpace(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		again, err := AppendLine(nil, got)
		if err != nil || !bytes.Equal(line, again) {
			t.Errorf("%s came back as %s", line, again)
		}
	}
	head := `{"id":7,"boot":"` + boot + `",`
	for line, want := range map[string]string{
		"":                                 "not a request",
		"null":                             "holds 0 messages",
		"[]":                               "not a request",
		head + `"uptime_ns":1}`:            "request 7 holds 0 messages",
		head + `"log":{},"fetch":{}}`:      "request 7 holds 2 messages",
		`{"id":7,"boot":"x","log":{}}`:     "boot ID of 1 characters",
		`{"id":7,"boot":"","log":{}}`:      "boot ID of 0 characters",
		head + `"identify":{}}`:            "asks who it is and has a boot ID",
		head + `"uptime_ns":-1,"log":{}}`:  "negative uptime",
		head + `"beat":{"work_units":-1}}`: "impossible counts",
		head + `"beat":{"work_units":1,"work_failed":2}}`:                          "impossible counts",
		head + `"beat":{"work_units":1,"work_max_ns":2,"work_total_ns":1}}`:        "impossible counts",
		head + `"beat":{"work_units":1,"work_max_ns":-2,"work_total_ns":-1}}`:      "impossible counts",
		head + `"beat":{"work_units":99999999999999999999}}`:                       "not a request",
		head + `"fetch":{"have":-1}}`:                                              "not a request",
		head + `"log":{"text":"` + strings.Repeat("[", 20000) + `"}} and the rest`: "not a request",
	} {
		if _, err := ParseRequest([]byte(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: error %v, want one that says %q", line, err, want)
		}
	}
}

func TestParseReply(t *testing.T) {
	want := Reply{ID: 3, Boot: boot, Content: []byte{0, 255, 10}, Orders: []string{"remove_content"}, Config: &Config{Hostname: "a", Beat: time.Second}}
	line, err := AppendLine(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(line, []byte("\n")) != 1 {
		t.Errorf("%q is not one line", line)
	}
	got, err := ParseReply(bytes.TrimSpace(line))
	if err != nil || !bytes.Equal(got.Content, want.Content) || got.Config.Beat != time.Second {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ParseReply([]byte("{")); err == nil {
		t.Error("half a reply was read")
	}
}

// TestLargestContentFits: a channel file of a MiB, in base64, with all else.
func TestLargestContentFits(t *testing.T) {
	line, err := AppendLine(nil, Reply{ID: 1 << 63, Boot: boot, Content: make([]byte, 1<<20)})
	if err != nil || len(line) > MaxReply {
		t.Errorf("%d bytes, %v; the bound is %d", len(line), err, MaxReply)
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"id":1,"boot":"` + boot + `","hello":{"mode":"normal"}}`))
	f.Add([]byte(`{"id":1,"boot":"` + boot + `","beat":{"work_units":2,"work_total_ns":9,"work_max_ns":5,"threats":[{"id":1}]}}`))
	f.Add([]byte("null"))
	f.Add([]byte("\x00\xff{"))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseRequest(line)
		if err != nil {
			return
		}
		if b := r.Beat; len(r.Boot) != 36 || r.Uptime < 0 || b != nil && (b.WorkFailed > b.WorkUnits || b.WorkFailed < 0 || b.WorkMax > b.WorkTotal) {
			t.Errorf("accepted %+v", r)
		}
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("accepted what cannot be written: %v", err)
		}
	})
}

func FuzzLineReader(f *testing.F) {
	f.Add([]byte("a\n\nbb\nccc"), uint8(2))
	f.Fuzz(func(t *testing.T, data []byte, max uint8) {
		lines := NewLineReader(bytes.NewReader(data), int(max))
		for {
			line, err := lines.Next()
			if errors.Is(err, ErrTooLong) {
				continue
			}
			if err != nil {
				return
			}
			if len(line) == 0 || len(line) > int(max) || bytes.IndexByte(line, '\n') >= 0 {
				t.Errorf("line %q with a bound of %d", line, max)
			}
		}
	})
}
