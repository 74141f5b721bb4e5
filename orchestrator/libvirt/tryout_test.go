package libvirt

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRace: what a boot under KVM and an emulated one beside it tell of KVM, and when.
func TestRace(t *testing.T) {
	type end struct {
		after time.Duration // 0: never
		attempt
	}
	hello := func(after time.Duration) end { return end{after, attempt{hello: true}} }
	fails := func(after time.Duration) end { return end{after, attempt{failed: "emulation failure"}} }
	broken := end{time.Second, attempt{err: errors.New("the daemon is gone")}}
	const s = time.Second
	for name, test := range map[string]struct {
		kvm, emulated end
		name          string
		proven        bool
		after         time.Duration
		says          string
	}{
		"works":                          {hello(2 * s), hello(3 * s), KVM, true, 2 * s, "booted under it"},
		"works, slower than emulation":   {hello(19 * s), hello(3 * s), KVM, true, 19 * s, "booted under it"},
		"works, emulation fails":         {hello(2 * s), fails(s), KVM, true, 2 * s, "booted under it"},
		"works on a busy machine":        {hello(70 * s), hello(25 * s), KVM, true, 70 * s, "booted under it"},
		"fails":                          {fails(s), hello(3 * s), TCG, true, 3 * s, "failed: emulation failure"},
		"fails later":                    {fails(5 * s), hello(3 * s), TCG, true, 5 * s, "failed: emulation failure"},
		"fails as emulation does":        {fails(s), fails(2 * s), TCG, false, 2 * s, "tried again next time"},
		"fails after emulation did":      {fails(2 * s), fails(s), TCG, false, 2 * s, "tried again next time"},
		"hangs":                          {end{}, hello(3 * s), TCG, true, 20 * s, "no hello within 20s, when an emulated one beside it took 3s"},
		"hangs on a busy machine":        {end{}, hello(25 * s), TCG, true, 100 * s, "no hello within 1m40s, when an emulated one"},
		"a machine too busy to tell":     {end{}, end{}, TCG, false, 120 * s, "just busy"},
		"a machine nearly too busy":      {end{}, hello(100 * s), TCG, false, 120 * s, "just busy"},
		"fails, on one too busy to tell": {fails(s), end{}, TCG, false, 120 * s, "just busy"},
		"the daemon fails":               {broken, hello(3 * s), "", false, s, "the daemon is gone"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				run := func(e end) <-chan attempt {
					c := make(chan attempt, 1)
					if e.after > 0 {
						time.AfterFunc(e.after, func() { c <- e.attempt })
					}
					return c
				}
				began := time.Now()
				got, proven, err := race(t.Context(), KVM, run(test.kvm), run(test.emulated))
				says := got.Reason
				if err != nil {
					says = err.Error()
				}
				if took := time.Since(began); got.Name != test.name || proven != test.proven || took != test.after || !strings.Contains(says, test.says) {
					t.Errorf("%+v, proven %v, after %v, %v", got, proven, took, err)
				}
			})
		})
	}
}

// TestVerdictsThatAreKept are those that are proven: after any other the next run tries again.
func TestVerdictsThatAreKept(t *testing.T) {
	for _, proven := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "cache", "accelerator.json")
		tries := 0
		for range 2 {
			a, err := keptVerdict(path, verdict{}, func() (Accelerator, bool, error) {
				tries++
				return Accelerator{TCG, "no hello"}, proven, nil
			}, func(err error) { t.Error(err) })
			if err != nil || a.Name != TCG || !strings.HasPrefix(a.Reason, "no hello") {
				t.Errorf("%+v, %v", a, err)
			}
		}
		if want := map[bool]int{false: 2, true: 1}[proven]; tries != want {
			t.Errorf("proven %v: tried %d times in two runs, want %d", proven, tries, want)
		}
	}
}

// TestTryout boots both for real: of an accelerator that works it says so, and leaves no VM.
func TestTryout(t *testing.T) {
	tiny, _ := images(t)
	h := open(t)
	got, proven, err := h.tryout(t.Context(), tiny, TCG)
	if err != nil || !proven || got != (Accelerator{TCG, "the image booted under it"}) {
		t.Errorf("%+v, proven %v, %v", got, proven, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, proven, err := h.tryout(ctx, tiny, TCG); proven || !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: proven %v, %v", proven, err)
	}
}
