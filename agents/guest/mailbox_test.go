package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

// newMailbox makes a mailbox whose host does this when it is rung for.
func newMailbox(host func(box protocol.Mailbox) error) *mailbox {
	m := &mailbox{memory: make([]byte, protocol.MailboxSize)}
	m.ring = func() error { return host(m.memory) }
	return m
}

// reply answers a request with these words, whatever it was.
func reply(t *testing.T, box protocol.Mailbox, r protocol.Reply) {
	t.Helper()
	number, _, err := box.Request()
	line, _ := protocol.AppendLine(nil, r)
	if err := errors.Join(err, box.Answer(number, line)); err != nil {
		t.Error(err)
	}
}

func TestMailboxExchange(t *testing.T) {
	m := newMailbox(func(box protocol.Mailbox) error {
		_, line, err := box.Request()
		if err != nil {
			return err
		}
		r, err := protocol.ParseRequest(line)
		if err != nil {
			t.Errorf("the host gets %q: %v", line, err)
		}
		reply(t, box, protocol.Reply{ID: r.ID, Boot: r.Boot, Error: r.Log.Text})
		return nil
	})
	for id, text := range []string{"first", strings.Repeat("x", 1000)} {
		r, err := m.Exchange(protocol.Request{ID: uint64(id), Boot: testBoot, Log: &protocol.Log{Text: text}})
		if err != nil || r.Error != text {
			t.Errorf("request %d: reply %+v, %v", id, r, err)
		}
	}
}

func TestMailboxWaitsAndAsksAgain(t *testing.T) {
	rings := 0
	m := newMailbox(func(box protocol.Mailbox) error {
		rings++
		if rings < 3 {
			box.Hold(100)
			return nil
		}
		reply(t, box, protocol.Reply{ID: 4, Boot: testBoot})
		return nil
	})
	if _, err := m.Exchange(protocol.Request{ID: 4, Boot: testBoot}); err != nil || rings != 3 {
		t.Errorf("%v after %d rings", err, rings)
	}
}

func TestSpin(t *testing.T) {
	const ticks = 1 << 20
	before := rdtsc()
	spin(ticks)
	if passed := rdtsc() - before; passed < ticks {
		t.Errorf("%d ticks have passed, want %d", passed, ticks)
	}
}

func TestMailboxWithoutAnswer(t *testing.T) {
	for name, host := range map[string]func(protocol.Mailbox) error{
		"silence":   func(protocol.Mailbox) error { return nil },
		"no bell":   func(protocol.Mailbox) error { return errNoBell },
		"no reply":  func(box protocol.Mailbox) error { return box.Answer(1, []byte("{")) },
		"of others": func(box protocol.Mailbox) error { return box.Answer(1, []byte(`{"id":2}`)) },
	} {
		if r, err := newMailbox(host).Exchange(protocol.Request{ID: 1, Boot: testBoot}); err == nil {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestFindMailbox(t *testing.T) {
	dir := t.TempDir()
	if device, err := findMailbox(dir); err == nil {
		t.Errorf("found %s where there is none", device)
	}
	for device, ids := range map[string][2]string{"0000:00:01.0": {"0x1af4", "0x1001"}, "0000:00:02.0": {"0x1af4", "0x1110"}, "0000:00:03.0": {"0x8086", "0x1110"}} {
		if err := os.Mkdir(filepath.Join(dir, device), 0o755); err != nil {
			t.Fatal(err)
		}
		for i, name := range []string{"vendor", "device"} {
			if err := os.WriteFile(filepath.Join(dir, device, name), []byte(ids[i]+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if device, err := findMailbox(dir); err != nil || filepath.Base(device) != "0000:00:02.0" {
		t.Errorf("found %s, %v", device, err)
	}
}
