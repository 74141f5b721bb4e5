package daemonuri

import (
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	for _, v := range []struct {
		text string
		want URI
	}{
		{"qemu:///system", URI{Driver: "qemu:///system", Transport: "unix", Socket: systemSocket}},
		{"qemu:///session", URI{Driver: "qemu:///session", Transport: "unix"}},
		{"qemu:///session?socket=/r/libvirt-sock", URI{Driver: "qemu:///session", Transport: "unix", Socket: "/r/libvirt-sock"}},
		{"qemu+unix:///system?socket=%2Fa%20b", URI{Driver: "qemu:///system", Transport: "unix", Socket: "/a b"}},
		{"qemu+tcp://m/system", URI{Driver: "qemu:///system", Transport: "tcp", Remote: true, Host: "m", Socket: systemSocket}},
		{"qemu+tcp://[::1]:7/session", URI{Driver: "qemu:///session", Transport: "tcp", Remote: true, Host: "::1", Port: "7"}},
		{"qemu://m/system", URI{Driver: "qemu:///system", Transport: "tls", Remote: true, Host: "m", Socket: systemSocket}},
		{"qemu+tls://m:7/system?pkipath=/p&no_verify=1", URI{Driver: "qemu:///system", Transport: "tls", Remote: true, Host: "m", Port: "7",
			Socket: systemSocket, PKI: "/p", NoVerify: true}},
		{"qemu+ssh://m/system", URI{Driver: "qemu:///system", Transport: "ssh", Remote: true, Host: "m", Socket: systemSocket}},
		{"qemu+ssh://u@m:22/session?socket=/s&keyfile=/k&known_hosts=/h&no_verify=0", URI{Driver: "qemu:///session", Transport: "ssh", Remote: true,
			User: "u", Host: "m", Port: "22", Socket: "/s", KeyFile: "/k", KnownHosts: "/h"}},
	} {
		v.want.Text = v.text
		got, err := Parse(v.text)
		if diff := cmp.Diff(v.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", v.text, err, diff)
		}
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    `libvirt URI "": hosts need a QEMU driver`,
		"xen:///system":                       "hosts need a QEMU driver",
		"qemu:system":                         `path "": want /system or /session`,
		"qemu:///":                            `path "/": want /system or /session`,
		"qemu+libssh2://m/system":             `transport "libssh2": want unix, tcp, tls or ssh`,
		"qemu+://m/system":                    `transport "": want unix`,
		"qemu+unix://m/system":                "unix is for this machine and takes no host",
		"qemu+tls:///system":                  "tls needs a host: qemu+tls://machine/system",
		"qemu+ssh://u@/system":                "ssh needs a host",
		"qemu+tcp://u@m/system":               "a user means nothing to tcp",
		"qemu+ssh://u:secret@m/system":        `"qemu+ssh://u:xxxxx@m/system": no password can be given`,
		"qemu+ssh://-oProxyCommand=x/system":  "cannot begin with a dash",
		"qemu+ssh://-l@m/system":              "cannot begin with a dash",
		"qemu+tcp://m:0/system":               "port 0: want 1 to 65535",
		"qemu+tcp://m:65536/system":           "port 65536: want 1 to 65535",
		"qemu+tcp://m:x/system":               `invalid port ":x" after host`,
		"qemu:///system#x":                    "a fragment (#…) means nothing",
		"qemu:///system?socket=a":             "socket=a: want an absolute path",
		"qemu:///system?socket=":              "socket=: want an absolute path",
		"qemu:///system?socket=/a%00b":        "want an absolute path",
		"qemu:///system?socket=/a&socket=/b":  `parameter "socket" is given 2 times`,
		"qemu:///system?mode=legacy":          `parameter "mode" is not known for unix; known: socket`,
		"qemu+tcp://m/system?no_verify=1":     `parameter "no_verify" is not known for tcp; known: none`,
		"qemu+tls://m/system?no_verify=yes":   "no_verify=yes: want 0 or 1",
		"qemu+ssh://m/system?netcat=/bin/nc":  `parameter "netcat" is not known for ssh; known: keyfile, known_hosts, no_verify, socket`,
		"qemu+ssh://m/system?socket=/a:b":     "ssh takes only paths of letters",
		"qemu+ssh://m/system?keyfile=/a%20b":  "ssh takes only paths of letters",
		"qemu+ssh://m/session":                "add ?socket=/path/of/libvirt-sock",
		"qemu:///system?a=%zz":                `invalid URL escape "%zz"`,
		"qemu+ssh://m/system?socket=/$HOME/s": "ssh takes only paths of letters",
	} {
		if got, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v; want an error with %q", text, got, err, want)
		}
	}
}

// FuzzParse holds what is accepted to what dialling relies on, ssh's command line above all.
func FuzzParse(f *testing.F) {
	f.Add("qemu:///session?socket=/r/libvirt-sock")
	f.Add("qemu+tls://m:7/system?pkipath=/p&no_verify=1")
	f.Add("qemu+ssh://u@m:22/session?socket=/s&keyfile=/k&known_hosts=/h&no_verify=0")
	f.Add("qemu+ssh://-oProxyCommand=x/system")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := Parse(text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "libvirt URI ") {
				t.Errorf("the error %q does not say of what", err)
			}
			return
		}
		if _, ok := uriParameters[d.Transport]; !ok || d.Remote != (d.Transport != Unix) || d.Remote != (d.Host != "") {
			t.Errorf("%q: %+v", text, d)
		}
		if d.Transport != SSH {
			return
		}
		if strings.HasPrefix(d.Host, "-") || strings.HasPrefix(d.User, "-") {
			t.Errorf("%q: %+v", text, d)
		}
		for _, path := range []string{d.Socket, d.KeyFile, d.KnownHosts} {
			if strings.ContainsFunc(path, func(r rune) bool { return unicode.IsSpace(r) || strings.ContainsRune(`:\%$~"'`, r) }) {
				t.Errorf("%q: path %q", text, path)
			}
		}
	})
}
