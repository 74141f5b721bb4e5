package cosim

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// A scanning coordinator does what a Coordinator does in the plainest way: it looks at all hosts and all items each
// time.
type scanning struct {
	lookahead, now time.Duration
	clocks         map[string]scanned
	items          []Item[int] // in the order of puts
}

type scanned struct {
	at     time.Duration
	asking bool
}

func (c *scanning) Runs(host string, from time.Duration) { c.clocks[host] = scanned{at: from} }

func (c *scanning) Reached(host string, at time.Duration) {
	if k, ok := c.clocks[host]; ok && !k.asking {
		c.clocks[host] = scanned{at: max(k.at, at)}
	}
}

func (c *scanning) Asks(host string, at time.Duration) time.Duration {
	at = max(at, c.clocks[host].at, c.now)
	c.clocks[host] = scanned{at: at, asking: true}
	return at
}

func (c *scanning) Stops(host string) { delete(c.clocks, host) }

func (c *scanning) Put(at time.Duration, host string, what int) {
	c.items = append(c.items, Item[int]{At: max(at, c.now), Host: host, What: what, number: len(c.items)})
}

// next is the index of the next item, -1 when there is none or something can come before it.
func (c *scanning) next() int {
	next := c.earliest()
	if next < 0 {
		return -1
	}
	first := c.items[next]
	if at, host := c.frontier(); first.At > at || first.At == at && first.Host > host {
		return -1
	}
	return next
}

// earliest is the index of the item that is first by time, then by host, then as put; -1 when there is none.
func (c *scanning) earliest() int {
	first := -1
	for i, item := range c.items {
		if first < 0 || cmp.Or(cmp.Compare(item.At, c.items[first].At), cmp.Compare(item.Host, c.items[first].Host)) < 0 {
			first = i
		}
	}
	return first
}

func (c *scanning) Take() (Item[int], bool) {
	i := c.next()
	if i < 0 {
		return Item[int]{}, false
	}
	item := c.items[i]
	c.items = slices.Delete(c.items, i, i+1)
	c.now = item.At
	return item, true
}

func (c *scanning) Answerable() (host string, at time.Duration, ok bool) {
	if c.next() >= 0 {
		return "", 0, false
	}
	at = never
	for h, k := range c.clocks {
		if k.asking && (k.at < at || k.at == at && h < host) {
			host, at = h, k.at
		}
	}
	if frontier, _ := c.frontier(); host == "" || at-c.lookahead >= frontier {
		return "", 0, false
	}
	return host, at, true
}

func (c *scanning) frontier() (at time.Duration, host string) {
	at = never
	for h, k := range c.clocks {
		if k.at < at || k.at == at && h < host {
			at, host = k.at, h
		}
	}
	return at, host
}

func (c *scanning) Waited() []string {
	next, first := never, never
	if i := c.earliest(); i >= 0 {
		next = c.items[i].At
	}
	for _, k := range c.clocks {
		if k.asking {
			first = min(first, k.at)
		}
	}
	var hosts []string
	for h, k := range c.clocks {
		if !k.asking && (k.at <= next && next < never || k.at <= first-c.lookahead && first < never) {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// TestTheSameAsByScanning puts the same calls to both, at few times, so that much is at the same one, and compares all
// answers.
func TestTheSameAsByScanning(t *testing.T) {
	const hosts, calls = 12, 2000
	taken, answered, waited := 0, 0, 0
	for seed := range uint64(50) {
		choose := rand.New(rand.NewPCG(seed, 7))
		c, plain := New[int](lookahead), &scanning{lookahead: lookahead, clocks: map[string]scanned{}}
		var call string
		for n := range calls {
			host := fmt.Sprintf("h%02d", choose.IntN(hosts))
			at := c.Now() + time.Duration(choose.IntN(12)-3)*tick
			if choose.IntN(50) == 0 {
				at = never
			}
			switch choose.IntN(6) {
			case 0:
				call = fmt.Sprintf("Runs(%s, %v)", host, at)
				c.Runs(host, at)
				plain.Runs(host, at)
			case 1, 2:
				call = fmt.Sprintf("Reached(%s, %v)", host, at)
				c.Reached(host, at)
				plain.Reached(host, at)
			case 3:
				call = fmt.Sprintf("Asks(%s, %v)", host, at)
				if got, want := c.Asks(host, at), plain.Asks(host, at); got != want {
					t.Fatalf("seed %d, call %d: %s is %v, by scanning %v", seed, n, call, got, want)
				}
			case 4:
				if choose.IntN(4) == 0 && at < never { // what is of none is taken whenever it is, and with it all time would end
					host = ""
				}
				call = fmt.Sprintf("Put(%v, %q)", at, host)
				c.Put(at, host, n)
				plain.Put(at, host, n)
			case 5:
				call = fmt.Sprintf("Stops(%s)", host)
				c.Stops(host)
				plain.Stops(host)
			}
			after := fmt.Sprintf("seed %d, call %d, after %s", seed, n, call)
			got, want := c.Waited(), plain.Waited()
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("%s: waited for %q, by scanning %q", after, got, want)
			}
			waited += len(got)
			h, answer, ok := c.Answerable()
			if wantHost, wantAt, want := plain.Answerable(); h != wantHost || answer != wantAt || ok != want {
				t.Fatalf("%s: answerable %s at %v, %t; by scanning %s at %v, %t", after, h, answer, ok, wantHost, wantAt, want)
			}
			if ok {
				answered++
				c.Runs(h, answer)
				plain.Runs(h, answer)
			}
			item, ok := c.Take()
			if other, want := plain.Take(); item.At != other.At || item.Host != other.Host || item.What != other.What || ok != want {
				t.Fatalf("%s: took %+v, %t; by scanning %+v, %t", after, item, ok, other, want)
			}
			if ok {
				taken++
			}
			if c.Now() != plain.now || c.Visible() != plain.now+lookahead {
				t.Fatalf("%s: now %v, visible %v; by scanning now %v", after, c.Now(), c.Visible(), plain.now)
			}
		}
	}
	if taken < 1000 || answered < 1000 || waited < 1000 {
		t.Errorf("%d items were taken, %d hosts answered, %d waited for: too few to tell", taken, answered, waited)
	}
}

// BenchmarkStep is what a question costs: the host that is furthest behind asks, what it did is taken as soon as it can
// be, and whoever may be answered runs again.
func BenchmarkStep(b *testing.B) {
	for _, hosts := range []int{100, 1_000, 10_000} {
		b.Run(fmt.Sprintf("%d hosts", hosts), func(b *testing.B) {
			c := New[int](lookahead)
			names := make([]string, hosts)
			for i := range names {
				names[i] = fmt.Sprintf("h%05d", i)
				c.Runs(names[i], time.Duration(i))
			}
			n, taken := 0, 0
			step := func() {
				host := names[n%hosts]
				at := c.Asks(host, time.Duration(n+hosts))
				c.Put(at, host, n)
				for _, ok := c.Take(); ok; _, ok = c.Take() {
					taken++
				}
				for h, at, ok := c.Answerable(); ok; h, at, ok = c.Answerable() {
					c.Runs(h, at)
				}
				c.Waited()
				n++
			}
			for range hosts { // until then nothing is taken, and all of them are waited for
				step()
			}
			for b.Loop() {
				step()
			}
			if taken != n-hosts+1 || len(c.asking) > 0 {
				b.Errorf("%d of %d items were taken, and %d hosts ask", taken, n, len(c.asking))
			}
		})
	}
}
