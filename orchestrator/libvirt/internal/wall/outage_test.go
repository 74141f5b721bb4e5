package wall

import (
	"errors"
	"testing"
	"time"
)

// A host has until shortly before its silence would count as its own, from its last sign of life where it gave one.
func TestOutage(t *testing.T) {
	const s, liveness = time.Second, 10 * time.Second
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		cut, spoke, limit time.Duration
		word              bool
	}{
		"of a host that beats":           {cut: 100 * s, spoke: 98 * s, limit: 107 * s, word: true},
		"of a host that boots":           {cut: 100 * s, spoke: never, limit: 109 * s},
		"of a host that has hung before": {cut: 100 * s, spoke: 80 * s, limit: 109 * s},
	} {
		t.Run(name, func(t *testing.T) {
			var o outage
			if o.lasts(c.spoke) {
				t.Error("lasts before it began")
			}
			if !o.cutOff("console", broken, c.cut, c.spoke, liveness) || o.limit != c.limit {
				t.Errorf("limit %v, want %v", o.limit, c.limit)
			}
			if o.cutOff("channel", broken, c.cut+s, c.spoke, liveness) || o.cutOff("console", broken, c.cut+2*s, c.spoke, liveness) || o.limit != c.limit {
				t.Errorf("more of the same: limit %v, want %v", o.limit, c.limit)
			}
			delete(o.wires, "console")
			if !o.lasts(c.cut + 3*s) {
				t.Error("over with the channel cut")
			}
			delete(o.wires, "channel")
			if got := o.lasts(c.cut + s); got != c.word { // not after both were cut
				t.Errorf("whole again and silent: lasts %v, want %v", got, c.word)
			}
			if o.lasts(c.cut + 3*s) {
				t.Error("not over when the host has spoken")
			}
			if !o.cutOff("channel", broken, c.cut+4*s, c.cut+3*s, liveness) || o.limit != c.cut+12*s {
				t.Errorf("another: limit %v, want %v", o.limit, c.cut+12*s)
			}
		})
	}
}
