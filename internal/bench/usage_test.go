package main

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// TestCPUTime compares with what the kernel tells of this process and its children by another way.
func TestCPUTime(t *testing.T) {
	// The child's part is what it is about: it has to be far above the hundredths of a second that it is told in.
	if err := exec.Command("sh", "-c", "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done").Run(); err != nil {
		t.Fatal(err)
	}
	reference := func() (all, children time.Duration) {
		for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
			var u syscall.Rusage
			if err := syscall.Getrusage(who, &u); err != nil {
				t.Fatal(err)
			}
			children = time.Duration(u.Utime.Nano() + u.Stime.Nano())
			all += children
		}
		return all, children
	}
	const tick = time.Second / userHertz
	before, children := reference()
	if children < 5*tick {
		t.Fatalf("the child used %v: too little to be told from nothing", children)
	}
	got, err := cpuTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if after, _ := reference(); got < before-2*tick || got > after+tick {
		t.Errorf("%v, want %v to %v", got, before, after)
	}
	if _, err := cpuTime(1 << 30); err == nil {
		t.Error("CPU time of a process that cannot be")
	}
}

func TestParse(t *testing.T) {
	stat := "42 (a) b (c) S 1 42 42 0 -1 4194560 100 200 0 0 11 22 250 50 20 0 1 0 1000 0 0\n"
	if d, err := parseChildren([]byte(stat)); err != nil || d != 3*time.Second {
		t.Errorf("children of %q: %v, %v", stat, d, err)
	}
	rollup := "55d0-7ffe ---p 00000000 00:00 0 [rollup]\nRss:  2000 kB\nPss:  1000 kB\nPss_Dirty:  10 kB\n"
	if n, err := parsePss([]byte(rollup)); err != nil || n != 1000<<10 {
		t.Errorf("Pss of %q: %d, %v", rollup, n, err)
	}
	for _, bad := range []string{"", "42", "42 (a) S 1 2", "42 (a) S 1 42 42 0 -1 4194560 100 200 0 0 11 22 x 50 20", "Pss: kB\n"} {
		if d, err := parseChildren([]byte(bad)); err == nil {
			t.Errorf("children of %q: %v", bad, d)
		}
		if n, err := parsePss([]byte(bad)); err == nil {
			t.Errorf("Pss of %q: %d", bad, n)
		}
	}
}
