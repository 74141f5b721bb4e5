package cosim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

const ms = time.Millisecond

func TestItemsWaitForHostsThatMayBeEarlier(t *testing.T) {
	c := New[string](10 * ms)
	c.Put(50*ms, "", "timer")
	c.Put(20*ms, "b", "beat")
	c.Put(20*ms, "a", "beat")
	c.Put(20*ms, "a", "fetch")
	c.Runs("a", 0)
	if i, ok := c.Take(); ok {
		t.Errorf("took %+v while a may be anywhere from 0 on", i)
	}
	c.Reached("a", 30*ms)
	var got []string
	for i, ok := c.Take(); ok; i, ok = c.Take() {
		got = append(got, fmt.Sprintf("%s %s", i.Host, i.What))
	}
	if want := []string{"a beat", "a fetch", "b beat"}; !slices.Equal(got, want) {
		t.Errorf("took %q, want %q", got, want)
	}
	if c.Now() != 20*ms || c.Visible() != 30*ms {
		t.Errorf("now %v, visible %v", c.Now(), c.Visible())
	}
	c.Stops("a")
	if i, ok := c.Take(); !ok || i.What != "timer" {
		t.Errorf("took %+v, %v with no host left", i, ok)
	}
	c.Put(1*ms, "", "late")
	if i, ok := c.Take(); !ok || i.At != 50*ms {
		t.Errorf("what was put for the past happened at %v", i.At)
	}
}

func TestAnswersWaitForHostsThatMayMatter(t *testing.T) {
	c := New[string](10 * ms)
	c.Runs("slow", 0)
	if at := c.Asks("quick", 15*ms); at != 15*ms {
		t.Errorf("asks at %v", at)
	}
	if host, _, ok := c.Answerable(); ok {
		t.Errorf("%s may be answered before what slow does up to 5 ms is known", host)
	}
	if got := c.Waited(); !slices.Equal(got, []string{"slow"}) {
		t.Errorf("waited for: %q", got)
	}
	c.Reached("slow", 5*ms)
	if host, _, ok := c.Answerable(); ok {
		t.Errorf("%s may be answered before what slow does at 5 ms is known", host)
	}
	if got := c.Waited(); !slices.Equal(got, []string{"slow"}) {
		t.Errorf("waited for: %q", got)
	}
	c.Reached("slow", 5*ms+1)
	if got := c.Waited(); len(got) > 0 {
		t.Errorf("%q are waited for, and quick may be answered", got)
	}
	c.Put(6*ms, "", "timer")
	if got := c.Waited(); !slices.Equal(got, []string{"slow"}) {
		t.Errorf("waited for: %q, and there is a timer that slow may yet come before", got)
	}
	c.Reached("slow", 7*ms)
	if i, ok := c.Take(); !ok || i.What != "timer" {
		t.Errorf("took %+v, %v", i, ok)
	}
	if host, at, ok := c.Answerable(); !ok || host != "quick" || at != 15*ms {
		t.Errorf("%s at %v, %v", host, at, ok)
	}
	c.Put(7*ms, "slow", "crash")
	if host, _, ok := c.Answerable(); ok {
		t.Errorf("%s may be answered before an item is taken that it may depend on", host)
	}
	c.Take()
	c.Asks("slow", 7*ms)
	if host, _, ok := c.Answerable(); !ok || host != "slow" {
		t.Errorf("%s, %v before the one that asked first", host, ok)
	}
	if at := c.Asks("slow", 2*ms); at != 7*ms {
		t.Errorf("a host whose clock goes back asks at %v", at)
	}
	c.Runs("slow", 7*ms)
	c.Reached("quick", time.Second)
	c.Asks("quick", 16*ms)
	c.Reached("quick", time.Second)
	c.Stops("slow")
	c.Put(20*ms, "quick", "beat")
	if i, ok := c.Take(); ok {
		t.Errorf("took %+v: a host that stands still reaches nothing", i)
	}
}

// A world is hosts whose next question depends on what they were answered, and someone who reacts to what they did.
type world struct {
	c       *Coordinator[string]
	hosts   []string
	asked   map[string]int
	begun   map[string]time.Duration // when the host was let run
	news    []news
	history []string
	most    int  // hosts that ran at once
	patient bool // no host goes on that is not waited for, as long as anything else is to happen
}

// News is something that hosts may know of from a time on.
type news struct {
	from time.Duration
	what string
}

// Times are multiples of tick, and so is the lookahead: much of what happens is at the same time as something else, or as what may
// be known of it from then on.
const (
	tick      = 10 * ms
	lookahead = 4 * tick
)

func newWorld(n int) *world {
	w := &world{c: New[string](lookahead), asked: map[string]int{}, begun: map[string]time.Duration{}}
	for i := range n {
		h := fmt.Sprintf("h%02d", i)
		w.hosts = append(w.hosts, h)
		w.runs(h, 0)
	}
	return w
}

func (w *world) runs(h string, from time.Duration) {
	w.begun[h] = from
	w.c.Runs(h, from)
	w.most = max(w.most, len(w.begun))
}

// known is how much of the news hosts may know at a time.
func (w *world) known(at time.Duration) int {
	n := 0
	for _, x := range w.news {
		if x.from <= at {
			n++
		}
	}
	return n
}

// next is when a host that was let run asks: a function of its own past, and of what it was told.
func (w *world) next(h string) time.Duration {
	r := rand.New(rand.NewPCG(uint64(w.asked[h]), uint64(len(h))*uint64(h[2])+uint64(w.known(w.begun[h]))))
	return w.begun[h] + time.Duration(r.IntN(10))*tick
}

// step lets everything happen that can, and then one of the hosts that run ask, by the scheduler's choice.
func (w *world) step(choose *rand.Rand) bool {
	for {
		if i, ok := w.c.Take(); ok {
			w.history = append(w.history, fmt.Sprintf("%v %s %s", i.At, i.Host, i.What))
			if len(w.history)%7 == 0 { // someone makes news of it
				w.news = append(w.news, news{w.c.Visible(), i.What})
			}
			continue
		}
		h, at, ok := w.c.Answerable()
		if !ok {
			break
		}
		w.c.Put(at, h, fmt.Sprintf("is told %d", w.known(at)))
		w.runs(h, at)
	}
	var running []string
	for _, h := range w.hosts {
		if _, ok := w.begun[h]; ok && w.asked[h] < 30 {
			running = append(running, h)
		}
	}
	if w.patient && (len(w.c.items) > 0 || len(w.begun) < len(w.c.clocks)) {
		running = w.c.Waited()
		slices.Sort(running)
	}
	if len(running) == 0 {
		return false
	}
	h := running[choose.IntN(len(running))]
	if choose.IntN(3) == 0 { // its clock is only looked at
		w.c.Reached(h, w.begun[h]+time.Duration(choose.Int64N(int64(w.next(h)-w.begun[h])+1)))
		return true
	}
	at := w.c.Asks(h, w.next(h))
	w.asked[h]++
	if w.asked[h] == 30 {
		w.c.Stops(h)
	}
	delete(w.begun, h)
	if w.asked[h]%3 != 0 { // else it only wants to know
		w.c.Put(at, h, fmt.Sprintf("asks %d", w.asked[h]))
	}
	return true
}

// TestTheSameWhoeverIsQuicker runs a world under many schedules.
func TestTheSameWhoeverIsQuicker(t *testing.T) {
	var want []string
	most := 0
	for seed := range uint64(200) {
		w := newWorld(6)
		w.patient = seed%2 == 1
		choose := rand.New(rand.NewPCG(seed, 1))
		for w.step(choose) {
		}
		if want == nil {
			want = w.history
		}
		if !slices.Equal(w.history, want) {
			for i := range min(len(want), len(w.history)) {
				if want[i] != w.history[i] {
					t.Fatalf("schedule %d: event %d is %q, under the first schedule %q", seed, i, w.history[i], want[i])
				}
			}
			t.Fatalf("schedule %d: %d events, under the first schedule %d", seed, len(w.history), len(want))
		}
		most = max(most, w.most)
	}
	if len(want) != 6*(20+29) {
		t.Errorf("%d events, want 294", len(want))
	}
	if most < 4 {
		t.Errorf("at most %d hosts ran at once", most)
	}
}
