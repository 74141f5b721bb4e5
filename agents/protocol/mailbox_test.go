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
