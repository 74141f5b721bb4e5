package scenarios

import (
	"strings"
	"testing"
	"time"
)

func TestParseDuration(t *testing.T) {
	good := map[string]time.Duration{
		"30s": 30 * time.Second, "78m": 78 * time.Minute, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "0s": 0,
		"10ms": 10 * time.Millisecond, "7us": 7 * time.Microsecond, "1ns": 1, "2d": 48 * time.Hour, "1d12h": 36 * time.Hour,
		".5s": 500 * time.Millisecond, "106751d": 106751 * 24 * time.Hour,
	}
	for text, want := range good {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	bad := map[string]string{
		"": "is empty", "30": `without a unit`, "s": "not a number", "30 s": "a space", "-1s": "negative", "1x": `unknown unit "x"`,
		"5min": `did you mean "m"?`, "5S": `did you mean "s"?`, "1.2.3s": "not a number", ".s": "not a number", "1h30": "without a unit",
		"106752d": "longer than any clock", "300000d": "longer than any clock", "9999999999h": "longer than any clock", "2562047h1h": "longer than any clock",
		strings.Repeat("1", 65) + "s": "66 characters", "+1s": "not a number", "1٣s": `unknown unit "٣s"`,
	}
	for text, want := range bad {
		if got, err := parseDuration(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %q", text, got, err, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	good := map[string]Size{
		"96MiB": 96 << 20, "1GiB": 1 << 30, "1.5GiB": 3 << 29, "512KiB": 512 << 10, "1TiB": 1 << 40, "7B": 7, "0B": 0, "0.5KiB": 512,
	}
	for text, want := range good {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", text, got, err, want)
		}
	}
	bad := map[string]string{
		"": "is empty", "96": "without a unit", "96MB": `did you mean "MiB"?`, "96M": `did you mean "MiB"?`, "1kb": `did you mean "KiB"?`,
		"1GiB1MiB": "more than one unit", "0.3B": "whole number of bytes", "8388608TiB": "more bytes", "-1MiB": "negative",
		"1PiB": `unknown unit "PiB"`, "MiB": "not a number", "1..5MiB": "not a number",
	}
	for text, want := range bad {
		if got, err := parseSize(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want an error with %q", text, got, err, want)
		}
	}
}

func TestUnitText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 78 * time.Minute: "78m", 48 * time.Hour: "2d", 90 * time.Second: "90s", 5 * time.Millisecond: "5ms", 1500: "1.5µs",
	} {
		if got := durationText(d); got != want {
			t.Errorf("%d ns: %q, want %q", d, got, want)
		}
	}
	for n, want := range map[Size]string{0: "0B", 96 << 20: "96MiB", 3 << 29: "1536MiB", 1000: "1000B", 1 << 40: "1TiB"} {
		if got := sizeText(n); got != want {
			t.Errorf("%d bytes: %q, want %q", n, got, want)
		}
	}
}

// Where time.ParseDuration can read a text too, the two must agree.
func FuzzParseDuration(f *testing.F) {
	for _, seed := range []string{"30s", "1h30m", "2d", "1.5h", "-1s", "", "9999999999h", "1e3s", "5 min", "1µs"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDuration(text)
		if err != nil {
			return
		}
		if d < 0 {
			t.Errorf("%q is negative: %v", text, d)
		}
		if want, err := time.ParseDuration(text); err == nil && want != d {
			t.Errorf("%q: %v, package time has %v", text, d, want)
		}
	})
}

func FuzzParseSize(f *testing.F) {
	for _, seed := range []string{"96MiB", "1.5GiB", "0.3B", "99999999999TiB", "1GiB1MiB", "", "96MB"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseSize(text)
		if err != nil {
			return
		}
		if n < 0 {
			t.Errorf("%q is negative: %d", text, n)
		}
		if back, err := parseSize(sizeText(n)); err != nil || back != n {
			t.Errorf("%q: %d bytes are written as %s, which reads as %d, %v", text, n, sizeText(n), back, err)
		}
	})
}
