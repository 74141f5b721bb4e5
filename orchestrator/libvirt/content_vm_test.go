package libvirt

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/vmimages"
)

// roomy builds the tiny image with a disk of 64 MiB, in a cache of its own.
func roomy(t *testing.T) vmimages.Image {
	t.Helper()
	recipe, err := os.ReadFile("../../vmimages/tiny.hcl")
	if err != nil {
		t.Fatal(err)
	}
	for old, now := range map[string]string{`image "tiny"`: `image "roomy"`, "size_mib        = 16": "size_mib = 64"} {
		if n := bytes.Count(recipe, []byte(old)); n != 1 {
			t.Fatalf("the recipe says %q %d times", old, n)
		}
		recipe = bytes.ReplaceAll(recipe, []byte(old), []byte(now))
	}
	cache := filepath.Join(scratch.dir, "roomy")
	if err := os.Mkdir(cache, 0o755); err != nil {
		t.Fatal(err)
	}
	debs := filepath.Join(vmimages.DefaultCache(), "debs") // which are not to be downloaded again
	if err := os.Symlink(debs, filepath.Join(cache, "debs")); err != nil {
		t.Fatal(err)
	}
	image, err := vmimages.Build(t.Context(), "roomy", vmimages.Options{
		Cache: cache, Recipes: fstest.MapFS{"roomy.hcl": {Data: recipe}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return image
}

// TestLargeContent: 12 MiB reach a host's disk on either clock, in parts, and are there after a boot. Of where there is
// no room for them, nothing is left, and what fits comes.
func TestLargeContent(t *testing.T) {
	tiny, _ := images(t)
	large, h := roomy(t), open(t)
	file := make([]byte, 15<<20) // more than the smaller disk has room for
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(file)                    // never fails
	copy(file, channelFile(t, 20, "none")[:16]) // which is a header: a channel file of that version, too long for the agent
	for _, clock := range []fleet.Clock{fleet.WallClock, fleet.VirtualClock} {
		t.Run(string(clock), func(t *testing.T) {
			r := start(t, h, large, 2, func(c *FleetConfig) {
				c.Clock = clock
				c.Images[tiny.Name] = tiny
				c.Hosts[1].Image = tiny.Name
				for i := range c.Hosts {
					c.Hosts[i].Architecture, c.Hosts[i].Tempo.Poll = "user", time.Second
				}
			})
			defer r.close()
			for _, host := range []string{"host-0", "host-1"} {
				r.do(fleet.Boot{Host: host, Mode: fleet.Normal})
				await(r, host, func(b fleet.Beat) bool { return b.AgentState == "running" })
			}
			r.do(fleet.Offer(20, file[:12<<20]).To("host-0"), fleet.Offer(20, file).To("host-1"))
			await(r, "host-0", func(c fleet.ContentRefused) bool { return c.Version == 20 })
			r.do(fleet.Boot{Host: "host-0", Mode: fleet.Normal})
			if hello := await[fleet.Hello](r, "host-0"); hello.ContentVersion != 20 {
				t.Errorf("after a boot the disk has content %d: %+v", hello.ContentVersion, hello)
			}
			if n := count[fleet.Fetched](r, "host-0"); n != 1 {
				t.Errorf("it was fetched %d times", n)
			}
			await(r, "host-1", func(l fleet.GuestLog) bool { return strings.Contains(l.Text, "no space left on device") })
			r.do(fleet.Offer(21, channelFile(t, 21, "none")).To("host-1"))
			await(r, "host-1", func(b fleet.Beat) bool { return b.ContentVersion == 21 })
		})
	}
}
