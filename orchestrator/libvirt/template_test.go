package libvirt

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/vmimages"
)

func prepare(t *testing.T, h *Hypervisor, image vmimages.Image, architecture string) Preparation {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	p, err := h.Prepare(ctx, image, architecture, 96<<20)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bootAll boots every host of a fleet and returns, by host, what it said first, once all agents run.
func (r *run) bootAll(hosts int) (booting map[string]fleet.Booting, hello map[string]fleet.Hello) {
	r.t.Helper()
	booting, hello = map[string]fleet.Booting{}, map[string]fleet.Hello{}
	ctx, cancel := context.WithTimeout(r.t.Context(), 3*time.Minute)
	defer cancel()
	for i := range hosts {
		r.do(fleet.Boot{Host: fmt.Sprintf("host-%d", i), Mode: fleet.Normal})
	}
	for running := map[string]bool{}; len(running) < hosts; {
		e, err := r.Next(ctx)
		if err != nil {
			r.t.Fatalf("%v\n%s", err, r.story())
		}
		r.seen = append(r.seen, e)
		switch w := e.What.(type) {
		case fleet.Booting:
			booting[e.Host] = w
		case fleet.Hello:
			hello[e.Host] = w
		case fleet.Beat:
			if w.AgentState == "running" {
				running[e.Host] = true
			}
		case fleet.InfraFailed, fleet.BootFailed, fleet.Panic:
			r.t.Fatalf("%v\n%s", e, r.story())
		}
	}
	return booting, hello
}

func TestTemplate(t *testing.T) {
	tiny, _ := images(t)
	cache := t.TempDir()
	h := open(t, func(c *Config) { c.Cache = cache })
	const hosts = 8
	for _, architecture := range []string{"kernel", "user"} {
		p := prepare(t, h, tiny, architecture)
		t.Logf("%+v", p)
		if !p.Copies {
			t.Fatal(p.Reason)
		}
		r := start(t, h, tiny, hosts, func(c *FleetConfig) {
			for i := range c.Hosts {
				c.Hosts[i].Architecture = architecture
			}
		})
		begin := time.Now()
		booting, hello := r.bootAll(hosts)
		t.Logf("%v\n%s", time.Since(begin), r.story())
		ids := map[string]bool{}
		for host, b := range booting {
			ids[hello[host].BootID] = true
			if !b.Cloned {
				t.Errorf("%s is not a copy", host)
			}
		}
		if len(ids) != hosts {
			t.Errorf("%d boot IDs of %d hosts", len(ids), hosts)
		}
		r.close()
	}
}
