package recovery

import "testing"

// TestQueue: places are left in the order in which they were entered, under tickets that count from 1, and those that are
// gone take no memory.
func TestQueue(t *testing.T) {
	const waiting, hosts = 3, 10_000
	s := staff{free: 1}
	for n := range uint32(hosts) {
		if ticket := s.enter(n); ticket != n+1 {
			t.Fatalf("host %d has ticket %d", n, ticket)
		}
		if n < waiting {
			continue
		}
		want := place{n - waiting, n - waiting + 1}
		if got, ok := s.next(); !ok || got != want {
			t.Fatalf("%+v goes first, want %+v", got, want)
		}
		if len(s.queue) > 2*waiting+2 {
			t.Fatalf("%d places for %d hosts that wait", len(s.queue), waiting)
		}
	}
	s.free = 0
	if _, ok := s.next(); ok {
		t.Error("nobody is free, and a host is taken")
	}
}
