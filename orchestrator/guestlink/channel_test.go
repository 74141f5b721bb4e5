package guestlink

import (
	"errors"
	"io"
	"net"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

const (
	bootA = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
	bootB = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
)

// removal is an order.
var removal = fleet.Order{ID: 7, Kind: fleet.RemoveContent}

// A line is the guest's end of a channel, over a real socket.
type line struct {
	t       *testing.T
	conn    net.Conn
	replies *protocol.LineReader
	channel *Channel
	events  chan fleet.Happening
	hellos  chan bool
	end     func()
}

func talk(t *testing.T) *line { return talkTo(t, false) }

// talkTo is talk to the channel of a guest that may be a copy.
func talkTo(t *testing.T, copied bool) *line {
	t.Helper()
	ours, guest := connected(t)
	spec := fleet.HostSpec{Name: "h1", Image: "tiny", Tempo: fleet.Tempo{Beat: 1, Poll: 2, Work: 3, Threat: 4}}
	l := &line{t: t,
		events: make(chan fleet.Happening, 1000), hellos: make(chan bool, 100)}
	l.channel = &Channel{Conn: ours, Conversation: Conversation{Service: &Service{Spec: spec}, Copied: copied,
		Emit: func(h fleet.Happening) { l.events <- h }, Hello: func() { l.hellos <- true }}}
	l.serve(ours, guest)
	return l
}

// serve has the channel answered over a connection, until cut or the test's end.
func (l *line) serve(ours, guest net.Conn) {
	l.t.Helper()
	ended := make(chan struct{})
	go func() {
		_ = l.channel.Serve(l.t.Context(), ours)
		close(ended)
	}()
	l.end = func() {
		ours.Close()
		guest.Close()
		<-ended
	}
	l.t.Cleanup(l.end)
	l.conn, l.replies = guest, protocol.NewLineReader(guest, protocol.MaxReply)
	if err := guest.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		l.t.Fatal(err)
	}
}

// cut ends the connection, and the channel goes on over another.
func (l *line) cut() {
	l.t.Helper()
	l.end()
	l.serve(connected(l.t))
}

// connected is a connection, by both of its ends.
func connected(t *testing.T) (ours, guest net.Conn) {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if ours, err = net.Dial("unix", listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if guest, err = listener.Accept(); err != nil {
		t.Fatal(err)
	}
	return ours, guest
}

func (l *line) send(r protocol.Request) {
	l.t.Helper()
	text, err := protocol.AppendLine([]byte("\n"), r)
	if err != nil {
		l.t.Fatal(err)
	}
	l.raw(string(text))
}

func (l *line) raw(text string) {
	l.t.Helper()
	if _, err := io.WriteString(l.conn, text); err != nil {
		l.t.Fatal(err)
	}
}

func (l *line) reply() protocol.Reply {
	l.t.Helper()
	text, err := l.replies.Next()
	if err != nil {
		l.t.Fatal(err)
	}
	r, err := protocol.ParseReply(text)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

func (l *line) hello(boot string) protocol.Reply {
	l.t.Helper()
	l.send(protocol.Request{ID: 1, Boot: boot, Hello: &protocol.Hello{Protocol: protocol.Version, Mode: "normal", Architecture: "kernel"}})
	return l.reply()
}

func (l *line) identify() protocol.Reply {
	l.t.Helper()
	l.send(protocol.Request{ID: 1, Identify: &protocol.Identify{}})
	return l.reply()
}

func (l *line) event() fleet.Happening {
	l.t.Helper()
	select {
	case e := <-l.events:
		return e
	case <-time.After(30 * time.Second):
		l.t.Fatal("no event")
		return nil
	}
}

func TestChannelConversation(t *testing.T) {
	l := talk(t)
	r := l.identify()
	if c := r.Config; c == nil || c.Hostname != "h1" || len(c.Entropy) != 32 || c.Beat != 1 || c.Poll != 2 || c.Work != 3 || c.Threat != 4 || c.Copied {
		t.Errorf("configuration %+v", r.Config)
	}
	if again := l.identify(); again.Config == nil || slices.Equal(again.Config.Entropy, r.Config.Entropy) {
		t.Error("who asks again is answered, with other entropy")
	}
	l.hello(bootA)
	if h, ok := l.event().(fleet.Hello); !ok || h.BootID != bootA || h.Mode != fleet.Normal || h.Protocol != protocol.Version {
		t.Errorf("hello %+v", h)
	}
	l.hello(bootA) // said again it is answered again, and is no event
	file := make([]byte, protocol.MaxPart)
	if err := l.channel.Service.Serve(fleet.Offer(5, file).To("h1")); err != nil {
		t.Fatal(err)
	}
	l.send(protocol.Request{ID: 2, Boot: bootA, Fetch: &protocol.Fetch{Have: 1}})
	if r := l.reply(); r.ID != 2 || r.Content == nil || len(r.Content.Data) != len(file) {
		t.Errorf("reply %+v without the content", r)
	}
	if f := l.event(); f != (fleet.Fetched{Version: 5}) {
		t.Errorf("%+v; a hello said again is no event", f)
	}
	l.send(protocol.Request{ID: 3, Boot: bootA, Fetch: &protocol.Fetch{Have: 5}})
	if r := l.reply(); r.Content != nil {
		t.Error("content that the guest has was sent again")
	}
	if err := l.channel.Service.Tell(fleet.Tell{Host: "h1", Order: removal}); err != nil {
		t.Fatal(err)
	}
	l.send(protocol.Request{ID: 4, Boot: bootA, Log: &protocol.Log{Text: "a\x1b[31mb\x00"}})
	if r := l.reply(); !reflect.DeepEqual(r.Orders, []protocol.Order{{ID: 7, Kind: "remove_content"}}) {
		t.Errorf("orders %v", r.Orders)
	}
	if e := l.event(); e != (fleet.GuestLog{Text: "a?[31mb?"}) {
		t.Errorf("%+v", e)
	}
	l.send(protocol.Request{ID: 5, Boot: bootA, Beat: &protocol.Beat{
		AgentState: "running", Threats: []protocol.Threat{{ID: 9, What: "exec", Blocked: true, Inherited: true}},
		WorkUnits: 9, WorkFailed: 4, WorkTotal: 8, WorkMax: 7, WorkHung: 3, PollsFailed: 2, Available: 1 << 20, Killed: 1, RunDelay: 6,
		Loads:    append([]protocol.Load{{What: "open\x00", Units: 5, Total: 4}}, make([]protocol.Load, 99)...),
		Refusals: []protocol.Refusal{{Version: 5, Reason: "no"}}, Exits: []protocol.Exit{{Signal: 11}},
		Done: []protocol.Done{{ID: 7}, {ID: 7}, {ID: 8}},
	}})
	if r := l.reply(); len(r.Orders) != 0 {
		t.Errorf("an order was given twice: %v", r.Orders)
	}
	beat := fleet.Beat{
		BootID: bootA, AgentState: "running", WorkUnits: 9, WorkFailed: 4, WorkTotal: 8, WorkMax: 7, WorkHung: 3, PollsFailed: 2,
		Loads:     append([]fleet.Load{{What: "open?", Units: 5, Total: 4}}, make([]fleet.Load, maxLoads-1)...),
		Available: 1 << 20, Killed: 1, RunDelay: 6,
	}
	for _, want := range []fleet.Happening{
		fleet.Threat{ID: 9, What: "exec", Blocked: true, Inherited: true}, fleet.ContentRefused{Version: 5, Reason: "no"},
		fleet.AgentExit{Signal: 11}, beat, fleet.OrderDone{ID: 7, Order: fleet.RemoveContent},
	} {
		if got := l.event(); !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// A guest of another version is told what to do, each time that it says hello, and the host once; nothing else of it is
// heard.
func TestGuestOfAnotherVersion(t *testing.T) {
	for line, want := range map[string]string{
		`{"mode":"normal"}`: "version 1 of the protocol, this fleetfall version 3: build the image again with `fleetfall image build tiny`",
		`{"protocol":2}`:    "version 2 of the protocol, this fleetfall version 3: ",
	} {
		l := talk(t)
		if err := l.channel.Service.Tell(fleet.Tell{Host: "h1", Order: removal}); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			l.raw(`{"id":1,"boot":"` + bootA + `","hello":` + line + "}\n")
			if r := l.reply(); !strings.Contains(r.Error, want) || len(r.Orders) > 0 {
				t.Errorf("reply %+v, want an error with %q", r, want)
			}
		}
		l.send(protocol.Request{ID: 2, Boot: bootA, Log: &protocol.Log{Text: "unheard"}})
		if r := l.reply(); r.Error == "" {
			t.Errorf("reply %+v", r)
		}
		if f, ok := l.event().(fleet.InfraFailed); !ok || f.Op != "speak with guest" || !strings.Contains(f.Reason, want) {
			t.Errorf("%+v, want a failure of the testbed for %q", f, want)
		}
		if e, ok := l.event().(fleet.Garbage); !ok || len(l.events) > 0 || len(l.hellos) > 0 || l.channel.Booted() {
			t.Errorf("%+v, and %d events more, %d hellos", e, len(l.events), len(l.hellos))
		}
	}
}

func TestCopiesAreToldThatTheyAre(t *testing.T) {
	if r := talkTo(t, true).identify(); !r.Config.Copied {
		t.Errorf("configuration %+v", r.Config)
	}
}

// What a guest that restarted itself leaves in the pipe belongs to no boot, and an order that a boot took with it is
// given to the next.
func TestChannelAcrossBoots(t *testing.T) {
	l := talk(t)
	l.hello(bootA)
	l.event()
	if err := l.channel.Service.Tell(fleet.Tell{Host: "h1", Order: removal}); err != nil {
		t.Fatal(err)
	}
	l.send(protocol.Request{ID: 2, Boot: bootA, Log: &protocol.Log{}})
	if r := l.reply(); len(r.Orders) != 1 {
		t.Errorf("orders %v", r.Orders)
	}
	l.event()
	l.raw(`{"id":4,"boot":"` + bootA) // cut
	r := l.hello(bootB)
	if r.Boot != bootB || len(r.Orders) != 1 {
		t.Errorf("reply %+v", r)
	}
	var kinds []string
	for range 2 {
		kinds = append(kinds, l.event().Kind())
	}
	if slices.Sort(kinds); !slices.Equal(kinds, []string{"garbage", "hello"}) {
		t.Errorf("events %v", kinds)
	}
	l.send(protocol.Request{ID: 3, Boot: bootA, Beat: &protocol.Beat{}}) // late
	l.send(protocol.Request{ID: 2, Boot: bootB, Log: &protocol.Log{}})
	if r := l.reply(); r.ID != 2 || r.Boot != bootB {
		t.Errorf("reply %+v: the late beat has none", r)
	}
	if e := l.event(); e.Kind() != "guest_log" {
		t.Errorf("%+v: the late beat is no event", e)
	}
}

func TestChannelGarbage(t *testing.T) {
	l := talk(t)
	l.send(protocol.Request{ID: 1, Boot: bootA, Beat: &protocol.Beat{}})
	if r := l.reply(); r.Error == "" {
		t.Error("a beat before hello was answered without an error")
	}
	if g, ok := l.event().(fleet.Garbage); !ok || !strings.Contains(g.Reason, "before hello") {
		t.Errorf("%+v", g)
	}
	sent := 0
	for _, junk := range []string{"nonsense\n", "{}\n", "\xff\xfe\x00\n", strings.Repeat("[", 5000) + "\n", strings.Repeat("x", 2*protocol.MaxLine) + "\n"} {
		l.raw(junk)
		sent += len(junk)
	}
	if r := l.hello(bootA); r.Boot != bootA || r.Error != "" {
		t.Errorf("hello after garbage: %+v", r)
	}
	l.conn.Close()
	told, events := 0, 0
	for !(told > protocol.MaxLine) {
		if g, ok := l.event().(fleet.Garbage); ok {
			told, events = told+g.Bytes, events+1
		}
	}
	if told > sent || events > 2 {
		t.Errorf("%d bytes in %d events of %d bytes sent", told, events, sent)
	}
}

// A guest that does not read its replies does not hold the host up.
func TestChannelToDeafGuest(t *testing.T) {
	l := talk(t)
	l.hello(bootA)
	if err := l.channel.Service.Serve(fleet.Offer(5, make([]byte, protocol.MaxPart)).To("h1")); err != nil {
		t.Fatal(err)
	}
	l.event()
	l.send(protocol.Request{ID: 2, Boot: bootA, Fetch: &protocol.Fetch{}}) // more than the socket holds
	l.send(protocol.Request{ID: 3, Boot: bootA, Log: &protocol.Log{Text: "still there"}})
	if e := l.event(); e != (fleet.GuestLog{Text: "still there"}) {
		t.Errorf("%+v: content that the guest did not take was fetched", e)
	}
	// It listens again: what was cut is garbage to it, what follows is whole.
	for {
		text, err := l.replies.Next()
		if err != nil && !errors.Is(err, protocol.ErrTooLong) {
			t.Fatal(err)
		}
		if r, err := protocol.ParseReply(text); err == nil && r.ID == 3 {
			return
		}
	}
}

func TestThrottle(t *testing.T) {
	data := strings.NewReader(strings.Repeat("x", GuestBurst+10))
	th := &throttle{ctx: t.Context(), r: data, tokens: GuestBurst, last: time.Now()}
	begin := time.Now()
	n, err := io.Copy(io.Discard, th)
	if err != nil || n != GuestBurst+10 || time.Since(begin) > 20*time.Second {
		t.Errorf("%d bytes, %v", n, err)
	}
	if th.tokens > GuestBurst/2 {
		t.Errorf("%v tokens left after a burst", th.tokens)
	}
}

func FuzzRequest(f *testing.F) {
	for _, seed := range []string{"{}\n", `{"id":1,"boot":"` + bootA + `","hello":{"protocol":2}}` + "\n", "\n\n\x00", `{"beat":{}}` + "\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		ours, guest := net.Pipe()
		go io.Copy(io.Discard, guest) // ends when the pipe is closed
		defer ours.Close()
		c := &Channel{Conn: ours, Conversation: Conversation{Service: &Service{}, Hello: func() {}, Emit: func(h fleet.Happening) {
			if g, ok := h.(fleet.Garbage); ok && (g.Bytes <= 0 || len(g.Reason) > 2*MaxText) {
				t.Errorf("%+v", g)
			}
		}}}
		if err := c.Service.Serve(fleet.Offer(5, []byte("content"))); err != nil {
			t.Fatal(err)
		}
		lines := protocol.NewLineReader(strings.NewReader(string(data)), protocol.MaxLine)
		for line, err := lines.Next(); err == nil; line, err = lines.Next() {
			if r, err := protocol.ParseRequest(line); err == nil {
				c.Answer(r, len(line))
			}
		}
	})
}

// A guest whose answer was lost with the connection asks again over the next: it gets what went with the answer, and
// what it tells again is not told twice.
func TestChannelIsCut(t *testing.T) {
	l := talk(t)
	l.hello(bootA)
	l.event() // its hello
	if err := l.channel.Service.Tell(fleet.Tell{Host: "h1", Order: removal}); err != nil {
		t.Fatal(err)
	}
	beat := &protocol.Beat{WorkUnits: 1, WorkTotal: 5, WorkMax: 5, Exits: []protocol.Exit{{Signal: 11}}}
	l.send(protocol.Request{ID: 2, Boot: bootA, Uptime: 2, Beat: beat})
	if r := l.reply(); len(r.Orders) != 1 {
		t.Errorf("%+v", r)
	}
	l.cut()
	l.send(protocol.Request{ID: 3, Boot: bootA, Uptime: 3, Beat: beat})
	if r := l.reply(); r.ID != 3 || len(r.Orders) != 1 {
		t.Errorf("the order is lost with the answer: %+v", r)
	}
	l.send(protocol.Request{ID: 4, Boot: bootA, Uptime: 4, Beat: &protocol.Beat{Done: []protocol.Done{{ID: removal.ID}}}})
	l.reply()
	l.cut()
	// The beat of before did come through: this one only looks like it.
	l.send(protocol.Request{ID: 5, Boot: bootA, Uptime: 5, Beat: beat})
	if r := l.reply(); len(r.Orders) != 0 {
		t.Errorf("an order that was carried out is given again: %+v", r)
	}
	l.send(protocol.Request{ID: 6, Boot: bootA, Uptime: 6, Log: &protocol.Log{Text: "end"}})
	var kinds []string
	for last := false; !last; {
		e := l.event()
		kinds = append(kinds, e.Kind())
		_, last = e.(fleet.GuestLog)
	}
	want := []string{"agent_exit", "beat", "beat", "order_done", "agent_exit", "beat", "guest_log"}
	if !slices.Equal(kinds, want) {
		t.Errorf("told %v, want %v", kinds, want)
	}
}
