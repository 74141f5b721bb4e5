package scenarios

import (
	"strings"
	"testing"
)

func TestDaemonOf(t *testing.T) {
	tests := []struct {
		uri, same string // same: another URI of the same daemon
		err       string // or part of what is wrong with uri
	}{
		{uri: "qemu:///system", same: "qemu+unix:///system"},
		{uri: "qemu:/system", same: "qemu:///system"},
		{uri: "qemu:///session?socket=/a/b", same: "qemu+unix:///session?socket=%2Fa%2Fb"},
		{uri: "qemu+tcp://h/system", same: "qemu+tcp://H:16509/system"},
		{uri: "qemu+tls://h/system", same: "qemu+tls://h:16514/system?pkipath=/etc/pki"},
		{uri: "qemu+ssh://h/session", same: "qemu+ssh://root@h:22/session"},
		{uri: "qemu+ssh://[::1]/system", same: "qemu+ssh://[::1]:22/system"},
		{uri: "qemu+tcp://h/session"},
		{uri: "qemu+tcp://other/system"},
		{uri: "qemu+tcp://h:16510/system"},
		{uri: "qemu:///session"},
		{uri: "qemu:///session?socket=/other"},

		{uri: "", err: "has no scheme"},
		{uri: "h/system", err: "has no scheme"},
		{uri: "qemu+tls", err: "has no scheme"},
		{uri: "xen:///system", err: `has the scheme "xen"`},
		{uri: "qemu-tls://h/system", err: `did you mean "qemu+tls"?`},
		{uri: "qemu+libssh://h/system", err: `did you mean "qemu+ssh"?`},
		{uri: "qemu+tcp://h:x/system", err: `invalid port ":x" after host`},
		{uri: "qemu+tcp://h:0/system", err: "has the port 0"},
		{uri: "qemu+tcp://h:65536/system", err: "has the port 65536"},
		{uri: "qemu:///system?socket=%", err: "invalid URL escape"},
		{uri: "qemu+tls:///system", err: "does not name the machine"},
		{uri: "qemu+tls://:16514/system", err: "does not name the machine"},
		{uri: "qemu+ssh://root@/system", err: "does not name the machine"},
		{uri: "qemu://h/system", err: `names the machine "h"; write "qemu+tls://h/system"`},
		{uri: "qemu+unix://h/session", err: `or "qemu+unix:///system" without a name`},
		{uri: "qemu:system", err: `has the path ""`},
		{uri: "qemu:///", err: `has the path "/"`},
		{uri: "qemu:///system/", err: `has the path "/system/"`},
		{uri: "qemu+ssh://h/embed", err: `has the path "/embed"`},
		{uri: "qemu+ssh://root:secret@h/system", err: `"qemu+ssh://root:xxxxx@h/system" has a password`},
	}
	first := map[string]string{}
	for _, test := range tests {
		daemon, err := daemonOf(test.uri)
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%q: %v, want %q", test.uri, err, test.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", test.uri, err)
			continue
		}
		if same, err := daemonOf(test.same); test.same != "" && (err != nil || same != daemon) {
			t.Errorf("%q: %q, but %q: %q, %v", test.uri, daemon, test.same, same, err)
		}
		if test.same == "" {
			if other, again := first[daemon]; again {
				t.Errorf("%q and %q are one daemon, %q", other, test.uri, daemon)
			}
		}
		first[daemon] = test.uri
	}
}
