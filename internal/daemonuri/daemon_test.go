package daemonuri

import "testing"

func daemonOf(text string) (string, error) {
	u, err := Parse(text)
	return u.Daemon(), err
}

func TestDaemon(t *testing.T) {
	tests := []struct {
		uri, same string // same: another URI of the same daemon
	}{
		{uri: "qemu:///system", same: "qemu+unix:///system"},
		{uri: "qemu:/system", same: "qemu:///system"},
		{uri: "qemu:///session?socket=/a/b", same: "qemu+unix:///session?socket=%2Fa%2Fb"},
		{uri: "qemu+tcp://h/system", same: "qemu+tcp://H:16509/system"},
		{uri: "qemu+tls://g/system", same: "qemu+tls://g:16514/system?pkipath=/etc/pki"},
		{uri: "qemu+ssh://h/session?socket=/s", same: "qemu+ssh://root@h:22/session?socket=/s"},
		{uri: "qemu+ssh://[::1]/system", same: "qemu+ssh://[::1]:22/system"},
		{uri: "qemu+tcp://h/session"},
		{uri: "qemu+tcp://other/system"},
		{uri: "qemu+tcp://h:16510/system"},
		{uri: "qemu:///session"},
		{uri: "qemu:///session?socket=/other"},
		{uri: "qemu://h/system", same: "qemu+tls://h/system"},
	}
	first := map[string]string{}
	for _, test := range tests {
		daemon, err := daemonOf(test.uri)
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
