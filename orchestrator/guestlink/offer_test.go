package guestlink

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// file makes a file in which no two parts are the same.
func file(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i * 2654435761 >> 20)
	}
	return data
}

// fetch asks a service for content, as a guest does.
func fetch(s *Service, f protocol.Fetch) (*protocol.Content, fleet.Happening) {
	reply, fetched := s.Answer(protocol.Request{ID: 1, Boot: bootA, Fetch: &f})
	return reply.Content, fetched
}

// Content comes in as many parts as it takes, each of which is what it says; it was fetched when the last has gone.
func TestContentComesInParts(t *testing.T) {
	for _, size := range []int{1, protocol.MaxPart, protocol.MaxPart + 1, 3 * protocol.MaxPart} {
		s, data := &Service{}, file(size)
		if err := s.Serve(fleet.Offer(5, data).To("h1")); err != nil {
			t.Fatal(err)
		}
		first, fetched := fetch(s, protocol.Fetch{Have: 4})
		var got []byte
		for part := first; ; part, fetched = fetch(s, protocol.Fetch{Have: 4, Digest: first.Digest, Offset: int64(len(got))}) {
			if err := part.Check(first, int64(len(got))); err != nil {
				t.Fatalf("of %d bytes, from byte %d on: %v", size, len(got), err)
			}
			if got = append(got, part.Data...); len(got) == size {
				break
			}
			if fetched != nil {
				t.Errorf("of %d bytes %d were sent, and already %+v", size, len(got), fetched)
			}
		}
		if !bytes.Equal(got, data) || fetched != (fleet.Fetched{Version: 5}) {
			t.Errorf("of %d bytes %d came, with %+v", size, len(got), fetched)
		}
		if part, fetched := fetch(s, protocol.Fetch{Have: 5}); part != nil || fetched != nil {
			t.Errorf("content that the guest has was sent again: %+v", fetched)
		}
	}
}

// Whoever asks for more of what is not served any more, or for more than there is, gets the first part of what there
// is.
func TestFetchOfWhatThereIsNot(t *testing.T) {
	s := &Service{}
	if part, _ := fetch(s, protocol.Fetch{Digest: "", Offset: 7}); part != nil {
		t.Errorf("%+v where nothing is served", part)
	}
	old, now := fleet.Offer(5, file(3*protocol.MaxPart)), fleet.Offer(6, file(2*protocol.MaxPart))
	if err := errors.Join(s.Serve(old.To("h1")), s.Serve(now.To("h1"))); err != nil {
		t.Fatal(err)
	}
	for _, f := range []protocol.Fetch{
		{Have: 5, Digest: old.Digest, Offset: protocol.MaxPart}, {Have: 5, Digest: now.Digest, Offset: now.Size},
		{Have: 5, Digest: now.Digest, Offset: protocol.MaxContent}, {Have: 5, Digest: now.Digest, Offset: -1},
	} {
		if part, _ := fetch(s, f); part == nil || part.Offset != 0 || part.Digest != now.Digest || len(part.Data) != protocol.MaxPart {
			t.Errorf("fetch %+v: %+v", f, part)
		}
	}
	if part, _ := fetch(s, protocol.Fetch{Have: 6, Digest: old.Digest, Offset: protocol.MaxPart}); part != nil {
		t.Errorf("a part from byte %d on of content that the guest has", part.Offset)
	}
}

func TestContentThatNobodyCanBeServed(t *testing.T) {
	good := fleet.Offer(5, []byte("content")).To("h1")
	for name, change := range map[string]func(a *fleet.Serve){
		"nothing":           func(a *fleet.Serve) { *a = fleet.Offer(5, nil) },
		"too much":          func(a *fleet.Serve) { *a = fleet.Offer(5, make([]byte, protocol.MaxContent+1)) },
		"another size":      func(a *fleet.Serve) { a.Size++ },
		"no digest":         func(a *fleet.Serve) { a.Digest = "" },
		"no path":           func(a *fleet.Serve) { a.Path = "" },
		"the disk itself":   func(a *fleet.Serve) { a.Path = "." },
		"a path elsewhere":  func(a *fleet.Serve) { a.Path = "../etc/passwd" },
		"an absolute path":  func(a *fleet.Serve) { a.Path = "/etc/passwd" },
		"a roundabout path": func(a *fleet.Serve) { a.Path = "content/../content/current.bin" },
		"a path too long":   func(a *fleet.Serve) { a.Path = strings.Repeat("x", maxPath+1) },
	} {
		s, a := &Service{}, good
		if change(&a); !errors.Is(s.Serve(a), fleet.ErrUnsupported) {
			t.Errorf("%s is served", name)
		}
	}
	if err := (&Service{}).Serve(good); err != nil {
		t.Error(err)
	}
}

// FuzzPart: whatever is asked for, what comes is a part of what is served, and no more than that is copied.
func FuzzPart(f *testing.F) {
	f.Add(uint32(0), uint64(4), true, int64(0))
	f.Add(uint32(1), uint64(4), true, int64(0))
	f.Add(uint32(3*protocol.MaxPart), uint64(4), true, int64(protocol.MaxPart))
	f.Add(uint32(protocol.MaxPart+1), uint64(5), true, int64(1))
	f.Add(uint32(100), uint64(5), false, int64(-1))
	f.Add(uint32(100), uint64(4), false, int64(1)<<62)
	most := file(3 * protocol.MaxPart)
	f.Fuzz(func(t *testing.T, size uint32, have uint64, more bool, offset int64) {
		data := most[:min(int(size), len(most))]
		offer := fleet.Offer(5, data)
		ask := protocol.Fetch{Have: have, Offset: offset}
		if more {
			ask.Digest = offer.Digest
		}
		part, last := partOf(offer, ask)
		if part == nil {
			if len(data) > 0 && have != 5 || last {
				t.Errorf("nothing for %+v of %d bytes, last: %v", ask, len(data), last)
			}
			return
		}
		end := part.Offset + int64(len(part.Data))
		if err := part.Check(part, part.Offset); err != nil || !bytes.Equal(part.Data, data[part.Offset:end]) || last != (end == offer.Size) {
			t.Errorf("for %+v of %d bytes: %d from byte %d on, last: %v, %v", ask, len(data), len(part.Data), part.Offset, last, err)
		}
	})
}
