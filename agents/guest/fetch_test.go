package main

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
	"github.com/fleetfall/fleetfall/orchestrator/guestlink"
)

// A shop is an updater, and the host's side that serves it.
type shop struct {
	*updater
	t       *testing.T
	service *guestlink.Service
	asked   []protocol.Fetch
	fetched []fleet.Happening
	spoil   func(n int, c *protocol.Content) // the content of the n-th reply, on its way
}

// programs has the updater's program built, once for all shops of a test.
func programs(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	buildPrograms(t, dir)
	return dir
}

func newShop(t *testing.T, dir string) *shop {
	t.Helper()
	log, tally := newLogger(t.Output()), newTally()
	s := &shop{t: t, service: &guestlink.Service{}, updater: &updater{
		program: dir + "/updater", patience: time.Minute,
		disk: newDisk(t), agent: newAgent(tally, log), tally: tally, log: log,
	}}
	s.session = newSession(t, s.answer)
	return s
}

// answer has a request and its reply go the way that they go over any transport.
func (s *shop) answer(r protocol.Request) (protocol.Reply, error) {
	line, err := protocol.AppendLine(nil, r)
	if err != nil || len(line) > protocol.MaxLine {
		return protocol.Reply{}, errors.Join(err, errors.New("no request"))
	}
	if r, err = protocol.ParseRequest(line); err != nil {
		return protocol.Reply{}, err
	}
	s.asked = append(s.asked, *r.Fetch)
	reply, fetched := s.service.Answer(r)
	if fetched != nil {
		s.fetched = append(s.fetched, fetched)
	}
	if line, err = protocol.AppendLine(nil, reply); err != nil || len(line) > protocol.MaxReply {
		s.t.Errorf("a reply of %d bytes, %v", len(line), err)
	}
	if reply, err = protocol.ParseReply(line); err == nil && s.spoil != nil && reply.Content != nil {
		s.spoil(len(s.asked), reply.Content)
	}
	return reply, err
}

func (s *shop) serve(a fleet.Serve) {
	s.t.Helper()
	if err := s.service.Serve(a.To("h1")); err != nil {
		s.t.Fatal(err)
	}
}

// holds tells what the disk has to have at a path, with nothing left beside it.
func (s *shop) holds(path string, want []byte) {
	s.t.Helper()
	got, err := os.ReadFile(filepath.Join(s.disk.root, path))
	if err != nil || !bytes.Equal(got, want) {
		s.t.Errorf("%s has %d bytes, %v; want the %d of what was served", path, len(got), err, len(want))
	}
	if left, _ := filepath.Glob(filepath.Join(s.disk.root, filepath.Dir(path), ".*")); len(left) > 0 {
		s.t.Errorf("left beside it: %v", left)
	}
}

// large is a channel file of so many bytes, by the version that it claims. Its agent refuses it.
func large(t *testing.T, version uint64, size int) []byte {
	file := make([]byte, size)
	random := rand.NewChaCha8([32]byte{byte(version)})
	_, _ = random.Read(file) // never fails
	copy(file, signed(t, version)[:16])
	return file
}

// Content of any size comes to the disk in as few requests as it takes; what fits one reply comes in one.
func TestContentOfAnySize(t *testing.T) {
	dir := programs(t)
	const mib = 1 << 20
	for _, c := range []struct{ size, requests int }{{100_000, 1}, {mib, 1}, {mib + 1, 2}, {12 * mib, 12}} {
		s := newShop(t, dir)
		file := large(t, 2, c.size)
		s.serve(fleet.Offer(2, file))
		s.poll(t.Context())
		s.holds(content.ChannelPath, file)
		if len(s.asked) != c.requests || !slices.Equal(s.fetched, []fleet.Happening{fleet.Fetched{Version: 2}}) {
			t.Errorf("%d bytes took %d requests, want %d; told %v", c.size, len(s.asked), c.requests, s.fetched)
		}
		if s.asked[0] != (protocol.Fetch{Have: 1}) {
			t.Errorf("it begins with %+v", s.asked[0])
		}
		s.poll(t.Context())
		if len(s.asked) != c.requests+1 || len(s.fetched) != 1 {
			t.Errorf("what is there was fetched again: %+v", s.asked)
		}
	}
}

// A part that comes broken, in whichever way, is asked for again, and no other.
func TestBrokenPartIsAskedForAgain(t *testing.T) {
	dir := programs(t)
	file := large(t, 2, 3<<20)
	for name, spoil := range map[string]func(c *protocol.Content){
		"a bit":      func(c *protocol.Content) { c.Data[7] ^= 1 },
		"cut":        func(c *protocol.Content) { c.Data = c.Data[:len(c.Data)-1] },
		"empty":      func(c *protocol.Content) { c.Data = nil },
		"elsewhere":  func(c *protocol.Content) { c.Offset++ },
		"other size": func(c *protocol.Content) { c.Size-- },
	} {
		for broken := 1; broken <= 3; broken++ {
			if broken == 1 && name == "other size" { // of the first part, which is what the others are held against
				continue
			}
			s := newShop(t, dir)
			s.spoil = func(n int, c *protocol.Content) {
				if n == broken || n == broken+1 {
					spoil(c)
				}
			}
			s.serve(fleet.Offer(2, file))
			s.poll(t.Context())
			s.holds(content.ChannelPath, file)
			if len(s.asked) != 5 {
				t.Errorf("%s, part %d: %d requests, want 3 and 2 that are made again: %+v", name, broken, len(s.asked), s.asked)
			}
		}
	}
}

// What cannot be had whole never takes the place of what there is, and a later poll begins anew.
func TestContentThatDoesNotCome(t *testing.T) {
	dir := programs(t)
	file, later := large(t, 2, 3<<20), large(t, 3, 2<<20)
	for name, c := range map[string]struct {
		spoil    func(s *shop, n int, c *protocol.Content)
		requests int
	}{
		"a part that is always broken": {func(_ *shop, n int, c *protocol.Content) {
			if c.Offset == 1<<20 {
				c.Data[0] ^= 1
			}
		}, 1 + partTries},
		"other content by and by":  {func(s *shop, n int, _ *protocol.Content) { s.serve(fleet.Offer(3, later)) }, 2},
		"another digest all along": {func(_ *shop, _ int, c *protocol.Content) { c.Digest = "sha256:0" }, 1 + partTries},
		"too much":                 {func(_ *shop, _ int, c *protocol.Content) { c.Size = protocol.MaxContent + 1 }, partTries},
		"a path elsewhere":         {func(_ *shop, _ int, c *protocol.Content) { c.Path = "../x" }, 1},
	} {
		s := newShop(t, dir)
		before := signed(t, 1)
		s.spoil = func(n int, part *protocol.Content) { c.spoil(s, n, part) }
		s.serve(fleet.Offer(2, file))
		s.poll(t.Context())
		s.holds(content.ChannelPath, before)
		if len(s.asked) != c.requests {
			t.Errorf("%s: %d requests, want %d", name, len(s.asked), c.requests)
		}
		if b, _ := s.tally.take(); b.PollsFailed > 0 || len(b.Refusals) > 0 {
			t.Errorf("%s: told %+v", name, b)
		}
		s.spoil = nil
		s.serve(fleet.Offer(3, later))
		s.poll(t.Context())
		s.holds(content.ChannelPath, later)
	}
}

// Content whose bytes are not what its digest says is not put in its place, though each part is what it says.
func TestContentOfAnotherDigest(t *testing.T) {
	dir := programs(t)
	s := newShop(t, dir)
	offer := fleet.Offer(2, large(t, 2, 2<<20))
	offer.Digest = content.Digest(nil)
	s.serve(offer)
	s.poll(t.Context())
	s.holds(content.ChannelPath, signed(t, 1))
}

// What is no channel file goes where it belongs, and is not fetched again while the machine remembers it.
func TestContentAtAnotherPath(t *testing.T) {
	dir := programs(t)
	s := newShop(t, dir)
	const path = "var/lib/database.bin"
	for version, file := range [][]byte{large(t, 9, 2<<20), []byte("small")} {
		offer := fleet.Offer(uint64(20+version), file)
		offer.Path = path
		s.serve(offer)
		s.poll(t.Context())
		s.poll(t.Context())
		s.holds(path, file)
		if len(s.fetched) != version+1 {
			t.Errorf("version %d was fetched %d times", version, len(s.fetched))
		}
	}
	s.holds(content.ChannelPath, signed(t, 1))
	file := signed(t, 5)
	s.serve(fleet.Offer(5, file))
	s.poll(t.Context())
	s.poll(t.Context())
	s.holds(content.ChannelPath, file)
	if len(s.fetched) != 3 {
		t.Errorf("fetched %v", s.fetched)
	}
}
