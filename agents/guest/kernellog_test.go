package main

import (
	"testing"
	"time"
)

func TestParseKernelRecord(t *testing.T) {
	for record, want := range map[string]time.Duration{
		"15,339,5140900,-;fleetfall: what time is it?\n": 5140900 * time.Microsecond,
		"6,1,0,c;a,b;c": 0,
	} {
		if got, err := parseKernelRecord([]byte(record)); err != nil || got != want {
			t.Errorf("%q: %v, %v; want %v", record, got, err, want)
		}
	}
	for _, record := range []string{"", "15,339,-;", "15,339,x,-;", "15,339,99999999999999999999,-;"} {
		if got, err := parseKernelRecord([]byte(record)); err == nil {
			t.Errorf("%q: %v", record, got)
		}
	}
}

func TestStampKernelLogWithoutOne(t *testing.T) {
	if _, _, err := stampKernelLog(t.TempDir() + "/kmsg"); err == nil {
		t.Error("no error")
	}
}
