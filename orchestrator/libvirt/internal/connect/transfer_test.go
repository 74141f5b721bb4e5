package connect

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"
)

// TestRPCOpen has data come before the reply to the call that asks for it.
func TestRPCOpen(t *testing.T) {
	frame := func(kind, status uint32, payload string) []byte {
		return appendFrame(nil, procStorageVolDownload, kind, status, []byte(payload))
	}
	event := appendFrame(nil, 318, 2, statusOK, []byte("an event of the daemon's"))
	first, second := frame(frameStream, statusContinue, "first "), frame(frameStream, statusContinue, "second")
	reply, end := frame(frameReply, statusOK, ""), frame(frameStream, statusOK, "")
	refusal := binary.BigEndian.AppendUint32(nil, 38)
	refusal = appendOptional(binary.BigEndian.AppendUint32(refusal, 0), "no such disk")
	huge := frame(frameStream, statusContinue, strings.Repeat("x", maxFrame/2))
	for name, c := range map[string]struct {
		frames [][]byte
		want   string
		err    string // part of it
	}{
		"reply first":   {[][]byte{reply, first, second, end}, "first second", ""},
		"data first":    {[][]byte{first, event, reply, second, end}, "first second", ""},
		"all first":     {[][]byte{first, second, end, event, reply}, "first second", ""},
		"refused":       {[][]byte{event, frame(frameReply, statusError, string(refusal))}, "", "no such disk"},
		"cut":           {[][]byte{first, reply[:10]}, "", "unexpected EOF"},
		"never a reply": {[][]byte{first, huge, huge, reply}, "", "no reply"},
		"no libvirt":    {[][]byte{make([]byte, headerSize)}, "", "no libvirt daemon"},
	} {
		t.Run(name, func(t *testing.T) {
			var sent bytes.Buffer
			input := bufio.NewReader(bytes.NewReader(bytes.Join(c.frames, nil)))
			early, err := rpcOpen(&sent, input, procStorageVolDownload, []byte("args"))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q in it", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := frame(frameCall, statusOK, "args"); !bytes.Equal(sent.Bytes(), want) {
				t.Errorf("sent %x, want %x", sent.Bytes(), want)
			}
			got, err := io.ReadAll((&Transfer{input: input}).stream(procStorageVolDownload, early))
			if err != nil || string(got) != c.want {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}
