package protocol

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
)

func TestMailbox(t *testing.T) {
	box := Mailbox(make([]byte, MailboxSize))
	for round, text := range []string{"first", strings.Repeat("x", MaxLine), ""} {
		number, err := box.Ask([]byte(text))
		if err != nil || number != uint64(round+1) {
			t.Fatalf("request %d, %v", number, err)
		}
		if _, ok := box.Reply(number); ok {
			t.Error("a reply before the answer")
		}
		asked, line, err := box.Request()
		if err != nil || asked != number || string(line) != text {
			t.Errorf("request %d of %d bytes, %v; want %d of %d", asked, len(line), err, number, len(text))
		}
		reply := bytes.Repeat([]byte{byte(round)}, MaxReply-round)
		if err := box.Answer(asked, reply); err != nil {
			t.Fatal(err)
		}
		if got, ok := box.Reply(number); !ok || !bytes.Equal(got, reply) {
			t.Errorf("reply of %d bytes, %v", len(got), ok)
		}
	}
	if box.Held() != 0 {
		t.Error("held by nobody")
	}
	if box.Hold(7); box.Held() != 7 {
		t.Error("not held")
	}
	if err := box.Answer(1, nil); err != nil || box.Held() != 0 {
		t.Errorf("%v; held for %d ticks after the answer", err, box.Held())
	}
}

// A machine may be stopped anywhere while it is held: what it has put in so far is there for its copy.
func TestMailboxOfACopy(t *testing.T) {
	box, copied := Mailbox(make([]byte, MailboxSize)), Mailbox(make([]byte, MailboxSize))
	number, err := box.Ask([]byte("who am I?"))
	if err != nil {
		t.Fatal(err)
	}
	box.Hold(5)
	if err := copied.Resume(box.Snapshot()); err != nil {
		t.Fatal(err)
	}
	if _, ok := copied.Reply(number); ok || copied.Held() != 5 {
		t.Errorf("replied to: %v, held for %d", ok, copied.Held())
	}
	if asked, line, err := copied.Request(); asked != number || string(line) != "who am I?" || err != nil {
		t.Errorf("request %d, %q, %v", asked, line, err)
	}
	for _, size := range []int{0, boxRequestsAt - 1, boxRequestsAt + MaxLine + 1} {
		if err := copied.Resume(make([]byte, size)); err == nil {
			t.Errorf("a snapshot of %d bytes is taken", size)
		}
	}
	binary.NativeEndian.PutUint64(box[boxRequest:], 1<<63)
	if n := len(box.Snapshot()); n != boxRequestsAt+MaxLine {
		t.Errorf("a snapshot of %d bytes of a request that says it has 2^63", n)
	}
}

func TestMailboxBounds(t *testing.T) {
	box := Mailbox(make([]byte, MailboxSize))
	if _, err := box.Ask(make([]byte, MaxLine+1)); err == nil {
		t.Error("a request over the bound")
	}
	if err := box.Answer(1, make([]byte, MaxReply+1)); err == nil {
		t.Error("a reply over the bound")
	}
	binary.NativeEndian.PutUint64(box[boxRequest:], 1<<63)
	if _, line, err := box.Request(); err == nil || line != nil {
		t.Errorf("%d bytes of a request that says it has 2^63, %v", len(line), err)
	}
	binary.NativeEndian.PutUint64(box[boxReply:], MaxReply+1)
	if _, ok := box.Reply(0); ok {
		t.Error("a reply over the bound was read")
	}
}
