package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"runtime"
	"slices"
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
		{ID: 1, Boot: boot, Uptime: time.Second, Hello: &Hello{Protocol: Version, Mode: "normal", Architecture: "kernel", ContentVersion: 1}},
		{ID: 2, Boot: boot, Beat: &Beat{WorkUnits: 2, WorkFailed: 1, WorkTotal: 5, WorkMax: 3, Threats: []Threat{{ID: 1, Blocked: true}}}},
		{ID: 3, Boot: boot, Fetch: &Fetch{Have: 1, Digest: "sha256:x", Offset: MaxContent}},
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
		"":                                "not a request",
		"null":                            "holds 0 messages",
		"[]":                              "not a request",
		head + `"uptime_ns":1}`:           "request 7 holds 0 messages",
		head + `"log":{},"fetch":{}}`:     "request 7 holds 2 messages",
		`{"id":7,"boot":"x","log":{}}`:    "boot ID of 1 characters",
		`{"id":7,"boot":"","log":{}}`:     "boot ID of 0 characters",
		head + `"identify":{}}`:           "asks who it is and has a boot ID",
		head + `"uptime_ns":-1,"log":{}}`: "impossible uptime",
		head + `"uptime_ns":31536000000000001,"log":{}}`:                           "impossible uptime",
		`{"id":7,"identify":{"log_time_ns":-1}}`:                                   "impossible uptime",
		`{"id":7,"identify":{"log_time_ns":31536000000000001}}`:                    "impossible uptime",
		head + `"hello":{"protocol":-1}}`:                                          "version -1 of the protocol",
		head + `"hello":{"protocol":1073741825}}`:                                  "version 1073741825 of the protocol",
		head + `"beat":{"work_units":-1}}`:                                         "impossible counts",
		head + `"beat":{"work_units":1,"work_failed":2}}`:                          "impossible counts",
		head + `"beat":{"work_units":1,"work_max_ns":2,"work_total_ns":1}}`:        "impossible counts",
		head + `"beat":{"work_units":1,"work_max_ns":-2,"work_total_ns":-1}}`:      "impossible counts",
		head + `"beat":{"work_units":99999999999999999999}}`:                       "not a request",
		head + `"fetch":{"have":-1}}`:                                              "not a request",
		head + `"fetch":{"offset":-1}}`:                                            "a fetch from byte -1",
		head + `"fetch":{"offset":67108865}}`:                                      "a fetch from byte 67108865",
		head + `"log":{"text":"` + strings.Repeat("[", 20000) + `"}} and the rest`: "not a request",
	} {
		if _, err := ParseRequest([]byte(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: error %v, want one that says %q", line, err, want)
		}
	}
}

// Each signed number of a beat is refused below zero and beyond its bound, and taken at either.
func TestBoundsOfABeat(t *testing.T) {
	many := Beat{WorkUnits: MaxCount, WorkFailed: MaxCount, WorkTotal: MaxTime}
	for name, c := range map[string]struct {
		most int64
		set  func(b *Beat, n int64)
	}{
		"work units":   {MaxCount, func(b *Beat, n int64) { *b = Beat{WorkUnits: int(n)} }},
		"work failed":  {MaxCount, func(b *Beat, n int64) { b.WorkFailed = int(n) }},
		"work hung":    {MaxCount, func(b *Beat, n int64) { b.WorkHung = int(n) }},
		"work total":   {int64(MaxTime), func(b *Beat, n int64) { b.WorkTotal = time.Duration(n) }},
		"work max":     {int64(MaxTime), func(b *Beat, n int64) { b.WorkMax = time.Duration(n) }},
		"polls failed": {MaxCount, func(b *Beat, n int64) { b.PollsFailed = int(n) }},
		"available":    {MaxBytes, func(b *Beat, n int64) { b.Available = n }},
		"killed":       {MaxCount, func(b *Beat, n int64) { b.Killed = int(n) }},
		"run delay":    {int64(MaxTime), func(b *Beat, n int64) { b.RunDelay = time.Duration(n) }},
		"units":        {MaxCount, func(b *Beat, n int64) { b.Loads = []Load{{}, {Units: int(n)}} }},
		"total":        {int64(MaxTime), func(b *Beat, n int64) { b.Loads = []Load{{}, {Total: time.Duration(n)}} }},
		"latency":      {int64(MaxTime), func(b *Beat, n int64) { b.Threats = []Threat{{}, {Latency: time.Duration(n)}} }},
		"signal":       {MaxSignal, func(b *Beat, n int64) { b.Exits = []Exit{{}, {Signal: int(n)}} }},
		"code":         {MaxCode, func(b *Beat, n int64) { b.Exits = []Exit{{}, {Code: int(n)}} }},
		"restart":      {int64(MaxTime), func(b *Beat, n int64) { b.Exits = []Exit{{}, {Restart: time.Duration(n)}} }},
	} {
		for n, good := range map[int64]bool{-1 << 31: false, -1: false, 0: true, c.most: true, c.most + 1: false} {
			b := many
			c.set(&b, n)
			line, err := AppendLine(nil, Request{ID: 1, Boot: boot, Beat: &b})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ParseRequest(line); (err == nil) != good {
				t.Errorf("%s of %d: %v, want it accepted: %t", name, n, err, good)
			}
		}
	}
}

func TestParseReply(t *testing.T) {
	want := Reply{ID: 3, Boot: boot, Content: &Content{Version: 2, Data: []byte{0, 255, 10}}, Orders: []Order{{1, "remove_content", map[string]string{"a": "b"}}}, Config: &Config{Hostname: "a", Beat: time.Second}}
	line, err := AppendLine(nil, want)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Count(line, []byte("\n")) != 1 {
		t.Errorf("%q is not one line", line)
	}
	got, err := ParseReply(bytes.TrimSpace(line))
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := ParseReply([]byte("{")); err == nil {
		t.Error("half a reply was read")
	}
}

// TestLargestReplyFits: a part of content, in base64, with as many orders as a guest has at a time, each of 4 KiB, six
// bytes for each.
func TestLargestReplyFits(t *testing.T) {
	order := Order{ID: 1 << 63, Kind: strings.Repeat("\x01", 4<<10)}
	line, err := AppendLine(nil, Reply{ID: 1 << 63, Boot: boot, Orders: slices.Repeat([]Order{order}, MaxOrders), Content: &Content{
		Version: 1 << 63, Path: strings.Repeat("/x", 2<<10), Digest: strings.Repeat("x", 71), Size: MaxContent, Offset: MaxContent,
		Sum: 1<<32 - 1, Data: make([]byte, MaxPart),
	}})
	if err != nil || len(line) > MaxReply {
		t.Errorf("%d bytes, %v; the bound is %d", len(line), err, MaxReply)
	}
}

// A part is taken for what it is, whole and in its place, and for nothing else.
func TestParts(t *testing.T) {
	data := bytes.Repeat([]byte("0123456789abcdef"), MaxPart/16)
	whole := Content{Version: 2, Path: "a", Digest: "sha256:0", Size: 2*MaxPart + 3}
	middle, last := whole, whole
	middle.Offset, middle.Data, middle.Sum = MaxPart, data, Sum(data)
	last.Offset, last.Data, last.Sum = 2*MaxPart, data[:3], Sum(data[:3])
	for _, c := range []*Content{&middle, &last} {
		if err := c.Check(&whole, c.Offset); err != nil {
			t.Errorf("from byte %d on: %v", c.Offset, err)
		}
	}
	for name, change := range map[string]func(c *Content){
		"version":   func(c *Content) { c.Version++ },
		"path":      func(c *Content) { c.Path = "b" },
		"digest":    func(c *Content) { c.Digest = "sha256:1" },
		"size":      func(c *Content) { c.Size++ },
		"offset":    func(c *Content) { c.Offset += MaxPart },
		"no bytes":  func(c *Content) { c.Data = nil },
		"too few":   func(c *Content) { c.Data = c.Data[1:]; c.Sum = Sum(c.Data) },
		"too many":  func(c *Content) { c.Data = append(c.Data[:len(c.Data):len(c.Data)], 0); c.Sum = Sum(c.Data) },
		"the bytes": func(c *Content) { c.Data = append([]byte{'x'}, c.Data[1:]...) },
	} {
		for _, c := range []Content{middle, last} {
			offset := c.Offset
			if change(&c); c.Check(&whole, offset) == nil {
				t.Errorf("another %s is not noticed", name)
			}
		}
	}
	for _, size := range []int64{-1, 0, MaxContent + 1} {
		c := middle
		if c.Size = size; c.Check(&c, c.Offset) == nil {
			t.Errorf("content of %d bytes is taken", size)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"id":1,"boot":"` + boot + `","hello":{"protocol":2,"mode":"normal"}}`))
	f.Add([]byte(`{"id":1,"boot":"` + boot + `","beat":{"work_units":2,"work_total_ns":9,"work_max_ns":5,"threats":[{"id":1,"latency_ns":-1}],` +
		`"exits":[{"restart_in_ns":1}],"loads":[{"units":1}]}}`))
	f.Add([]byte(`{"id":1,"identify":{"log_time_ns":1}}`))
	f.Add([]byte("null"))
	f.Add([]byte("\x00\xff{"))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseRequest(line)
		if err != nil {
			return
		}
		if len(r.Boot) != 36 && r.Identify == nil {
			t.Errorf("accepted %+v", r)
		}
		if b := r.Beat; b != nil && (b.WorkHung > b.WorkFailed || b.WorkFailed > b.WorkUnits || b.WorkMax > b.WorkTotal) {
			t.Errorf("accepted %+v", r)
		}
		eachSigned(reflect.ValueOf(r), func(n int64) {
			if n < 0 || n > max(int64(MaxTime), MaxBytes) {
				t.Errorf("accepted %d in %+v", n, r)
			}
		})
		if _, err := json.Marshal(r); err != nil {
			t.Errorf("accepted what cannot be written: %v", err)
		}
	})
}

// eachSigned calls do with every signed number in a message.
func eachSigned(v reflect.Value, do func(int64)) {
	switch {
	case v.Kind() == reflect.Pointer:
		if !v.IsNil() {
			eachSigned(v.Elem(), do)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			eachSigned(v.Field(i), do)
		}
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			eachSigned(v.Index(i), do)
		}
	case v.CanInt():
		do(v.Int())
	}
}

func FuzzParseReply(f *testing.F) {
	f.Add([]byte(`{"id":1,"boot":"` + boot + `","content":{"version":2,"path":"a","digest":"sha256:0","size":1,"sum":1068159024,"data":"AQ=="},` +
		`"orders":[{"id":1,"kind":"remove_content","args":{"a":"b"}}]}`))
	f.Add([]byte(`{"id":1,"config":{"hostname":"a","now_unix_ns":1,"entropy":"AQ==","beat_ns":1000,"beat_phase_ns":999,"poll_ns":5,` +
		`"poll_phase_ns":4,"work_ns":7,"work_phase_ns":6,"threat_ns":0,"layout_pages":511,"copied":true}}`))
	f.Add([]byte(`{"config":{"beat_ns":-1,"beat_phase_ns":-1,"layout_pages":-1}}`))
	f.Add([]byte(`{"content":{"size":1048577,"offset":1048576,"data":"AQ=="}}`))
	f.Add([]byte(`{"content":{"size":-1,"offset":-1}}`))
	f.Add([]byte("null"))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := ParseReply(line)
		if err != nil || r.Content == nil {
			return
		}
		c := r.Content
		if c.Check(c, c.Offset) != nil {
			return
		}
		if end := c.Offset + int64(len(c.Data)); c.Offset < 0 || c.Size > MaxContent || len(c.Data) == 0 || len(c.Data) > MaxPart || end > c.Size {
			t.Errorf("%d bytes from byte %d of %d on are taken for a part", len(c.Data), c.Offset, c.Size)
		}
		if c.Data[0] ^= 1; c.Check(c, c.Offset) == nil {
			t.Error("other bytes are taken for those that were sent")
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
