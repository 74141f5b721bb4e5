package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

const testBoot = "6f1c3b6e-0f5e-4f2b-9d3a-2f4f4c1c9a10"

// A host answers requests in a function of the test.
type host func(protocol.Request) (protocol.Reply, error)

func (h host) Exchange(r protocol.Request) (protocol.Reply, error) { return h(r) }

func newSession(t testing.TB, h host) *session {
	return &session{transport: h, boot: testBoot, log: newLogger(t.Output())}
}

func TestCallRepeatsUnderNewIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ids []uint64
		s := newSession(t, func(r protocol.Request) (protocol.Reply, error) {
			ids = append(ids, r.ID)
			if r.Boot != testBoot || r.Uptime <= 0 || r.TSC == 0 || r.Fetch == nil || r.Fetch.Have != 5 {
				t.Errorf("request %+v", r)
			}
			if len(ids) < 3 {
				return protocol.Reply{}, errors.New("no reply")
			}
			return protocol.Reply{ID: r.ID, Orders: []protocol.Order{{ID: 1}, {ID: 2}}}, nil
		})
		var orders []uint64
		s.orders = func(list []protocol.Order) {
			for _, o := range list {
				orders = append(orders, o.ID)
			}
			s.mu.Lock() // an order may make requests itself
			defer s.mu.Unlock()
		}
		start := time.Now()
		reply, err := s.call(t.Context(), protocol.Request{Fetch: &protocol.Fetch{Have: 5}})
		if err != nil || reply.ID != 3 || !slices.Equal(ids, []uint64{1, 2, 3}) || time.Since(start) != 2*retryPause {
			t.Errorf("reply %+v, %v to requests %v after %s", reply, err, ids, time.Since(start))
		}
		if !slices.Equal(orders, []uint64{1, 2}) {
			t.Errorf("orders %v", orders)
		}
	})
}

func TestCallGivesUpWithItsContext(t *testing.T) {
	s := newSession(t, func(protocol.Request) (protocol.Reply, error) { return protocol.Reply{}, errors.New("no reply") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.call(ctx, protocol.Request{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestCallReportsWhatTheHostDidNotUnderstand(t *testing.T) {
	s := newSession(t, func(r protocol.Request) (protocol.Reply, error) { return protocol.Reply{Error: "what?"}, nil })
	if _, err := s.call(t.Context(), protocol.Request{}); err == nil || !strings.Contains(err.Error(), "what?") {
		t.Errorf("error %v", err)
	}
}

func TestPortSkipsWhatIsNotTheReply(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		go func() {
			defer theirs.Close()
			lines := protocol.NewLineReader(theirs, protocol.MaxLine)
			for {
				line, err := lines.Next()
				if err != nil {
					return
				}
				r, err := protocol.ParseRequest(line)
				if err != nil {
					t.Errorf("the host gets %q: %v", line, err)
				}
				var answer []byte
				for _, reply := range []protocol.Reply{
					{ID: r.ID - 1, Boot: r.Boot, Error: "late"},
					{ID: r.ID, Boot: "another", Error: "of an earlier boot"},
					{ID: r.ID, Boot: r.Boot, Content: sent([]byte("content"))},
				} {
					answer, _ = protocol.AppendLine(answer, reply)
				}
				answer = slices.Concat([]byte("\n{garbage\n"+strings.Repeat("x", protocol.MaxReply+2)+"\n"), answer)
				if _, err := theirs.Write(answer); err != nil {
					return
				}
			}
		}()
		p := &port{file: ours}
		for id := uint64(1); id <= 2; id++ {
			r, err := p.Exchange(protocol.Request{ID: id, Boot: testBoot, Log: &protocol.Log{}})
			if err != nil || r.ID != id || string(r.Content.Data) != "content" {
				t.Errorf("request %d: reply %+v, %v", id, r, err)
			}
		}
	})
}

// newDevice makes a device with the given patience, and the file at its other end.
func newDevice(t *testing.T, patience time.Duration) (*device, int) {
	t.Helper()
	ends, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(ends[0]) })
	return &device{fd: ends[0], patience: patience}, ends[1]
}

func TestPortGivesUp(t *testing.T) {
	d, theirs := newDevice(t, 20*time.Millisecond)
	p := &port{file: d}
	if _, err := p.Exchange(protocol.Request{ID: 1, Boot: testBoot, Log: &protocol.Log{}}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v from a host that says nothing", err)
	}
	if err := syscall.Close(theirs); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Exchange(protocol.Request{ID: 2, Boot: testBoot, Log: &protocol.Log{}}); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("error %v when the host has closed its end", err)
	}
	long := protocol.Request{ID: 3, Boot: testBoot, Log: &protocol.Log{Text: strings.Repeat("x", protocol.MaxLine)}}
	if _, err := p.Exchange(long); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("a request over the bound: %v", err)
	}
}

// TestDeviceWaits: what does not fit at once is written as the other end reads, and what is not there yet is waited
// for.
func TestDeviceWaits(t *testing.T) {
	d, fd := newDevice(t, time.Minute)
	if err := syscall.SetNonblock(fd, false); err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(fd), "their end")
	defer theirs.Close()
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // more than any socket's buffer holds
	read := make(chan []byte)
	go func() {
		got := make([]byte, len(sent))
		_, err := io.ReadFull(theirs, got)
		if err == nil {
			_, err = theirs.Write([]byte("reply"))
		}
		if err != nil {
			t.Error(err)
		}
		read <- got
	}()
	if n, err := d.Write(sent); n != len(sent) || err != nil {
		t.Errorf("wrote %d of %d bytes: %v", n, len(sent), err)
	}
	var reply [16]byte
	if n, err := d.Read(reply[:]); err != nil || string(reply[:n]) != "reply" {
		t.Errorf("read %q, %v", reply[:n], err)
	}
	if got := <-read; !bytes.Equal(got, sent) {
		t.Error("the other end got something else")
	}
}

func TestFindPort(t *testing.T) {
	dir := t.TempDir()
	if path, ok := findPort(dir, protocol.PortName); ok {
		t.Errorf("found %s where there is no port", path)
	}
	for port, name := range map[string]string{"vport1p1": "com.example.0\n", "vport1p2": protocol.PortName + "\n"} {
		if err := os.Mkdir(filepath.Join(dir, port), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, port, "name"), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if path, ok := findPort(dir, protocol.PortName); path != "/dev/vport1p2" || !ok {
		t.Errorf("found %q, %v", path, ok)
	}
}

// A template stands still in the question who it is: what follows is read by each copy for itself.
func TestWhoAmIUntilConfigured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		s := newSession(t, func(r protocol.Request) (protocol.Reply, error) {
			asked++
			if r.Identify == nil || r.Boot != "" {
				t.Errorf("request %+v", r)
			}
			if asked == 1 {
				return protocol.Reply{}, nil
			}
			return protocol.Reply{Config: &protocol.Config{Hostname: "host-7"}}, nil
		})
		s.boot = ""
		if c := whoAmI(t.Context(), s, protocol.Identify{}, newLogger(t.Output())); c.Hostname != "host-7" || asked != 2 {
			t.Errorf("configuration %+v after %d requests", c, asked)
		}
	})
}

func TestHelloUntilAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		s := newSession(t, func(r protocol.Request) (protocol.Reply, error) {
			asked++
			if h := r.Hello; h == nil || r.Boot != testBoot || h.Protocol != protocol.Version || h.Mode != safeMode || h.Architecture != "user" ||
				h.ContentVersion != 1 || h.AgentState != protocol.AgentAbsent || h.Kernel == "" {
				t.Errorf("hello %+v", h)
			}
			if asked == 1 {
				return protocol.Reply{Error: "what?"}, nil
			}
			return protocol.Reply{}, nil
		})
		log := newLogger(t.Output())
		set := settings{mode: safeMode, architecture: "user"}
		if hello(t.Context(), s, greet(set, newDisk(t), newAgent(newTally(), log), log), log); asked != 2 {
			t.Errorf("%d requests, want 2", asked)
		}
	})
}

func TestBeatsAndOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		tally, log := newTally(), newLogger(t.Output())
		a := newAgent(tally, log)
		d := newDisk(t)
		if err := d.replace(signed(t, 2)); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		type seen struct {
			at   time.Duration
			done int
		}
		var beats []seen
		s := newSession(t, func(r protocol.Request) (protocol.Reply, error) {
			beats = append(beats, seen{time.Since(start), len(r.Beat.Done)})
			switch len(beats) {
			case 2:
				return protocol.Reply{Orders: []protocol.Order{
					{ID: 1, Kind: removeContent}, {ID: 2, Kind: "dance", Args: map[string]string{"to": "a waltz"}},
				}}, nil
			case 3:
				got, _ := json.Marshal(r.Beat.Done)
				if string(got) != `[{"id":1},{"id":2,"error":"this guest knows no order \"dance\""}]` {
					t.Errorf("done %s", got)
				}
			case 5:
				cancel()
			}
			return protocol.Reply{}, nil
		})
		s.orders = newOrders(d, a, tally).carryOut
		beat(ctx, 10*time.Second, 4*time.Second, s, a, newVitals("/proc", log), tally)
		want := []seen{{0, 0}, {4 * time.Second, 0}, {4 * time.Second, 2}, {14 * time.Second, 0}, {24 * time.Second, 0}}
		if !slices.Equal(beats, want) {
			t.Errorf("beats %v, want %v", beats, want)
		}
		if v, err := d.version(); v != 1 || err != nil {
			t.Errorf("content %d, %v after remove_content, want what was shipped", v, err)
		}
	})
}
