// Package daemonuri reads URIs of libvirt daemons, see https://libvirt.org/uri.html: it alone decides which of them a
// scenario may name, and how the backend reaches what they name.
package daemonuri

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Transport is how a daemon is reached.
type Transport string

const (
	Unix Transport = "unix" // a socket on this machine
	TCP  Transport = "tcp"  // in clear, without authentication
	TLS  Transport = "tls"  // with certificates of both sides
	SSH  Transport = "ssh"  // a tunnel to the daemon's socket, through the ssh program
)

// uriParameters are those of libvirt's parameters that mean something to each transport, sorted,
// see https://libvirt.org/uri.html.
var uriParameters = map[Transport][]string{
	Unix: {"socket"},
	TCP:  {},
	TLS:  {"no_verify", "pkipath"},
	SSH:  {"keyfile", "known_hosts", "no_verify", "socket"},
}

// A URI says where a libvirt daemon is and how it is reached.
type URI struct {
	Text       string // as it was given
	Driver     string // what the daemon itself is asked to open: qemu:///system or qemu:///session
	Transport  Transport
	Remote     bool   // files and sockets of the daemon's machine are not ours to open, even if it is this one
	User       string // of ssh; "" is for ssh to choose
	Host, Port string // Port "" is the transport's own
	Socket     string // unix and ssh: path on the daemon's machine; "" is the session's own
	PKI        string // tls: directory of cacert.pem, clientcert.pem and clientkey.pem; "" is libvirt's usual places
	NoVerify   bool   // tls, ssh: the other side may be anybody
	KeyFile    string // ssh
	KnownHosts string // ssh
}

// Schemes are those of the URIs, sorted. "qemu" alone is this machine's daemon, or TLS where a host is named.
var Schemes = []string{"qemu", "qemu+ssh", "qemu+tcp", "qemu+tls", "qemu+unix"}

// ports are where daemons on other machines listen when a URI does not say.
var ports = map[Transport]string{SSH: "22", TCP: "16509", TLS: "16514"}

// Daemon is the same text for all URIs of one daemon, as far as URIs tell.
func (d URI) Daemon() string {
	return strings.Join([]string{strings.ToLower(d.Host), cmp.Or(d.Port, ports[d.Transport]), d.Driver, d.Socket}, " ")
}

// systemSocket is where a system's daemon listens on its own machine.
const systemSocket = "/var/run/libvirt/libvirt-sock"

// sshPath is a path that means itself to ssh, which expands and splits some of what it is given.
var sshPath = regexp.MustCompile(`^/[A-Za-z0-9/._+@,=-]*$`)

// secret is where a password may be in a text that is no URI.
var secret = regexp.MustCompile(`//.*@`)

// Parse reads a libvirt URI of a QEMU driver: qemu:///system, qemu+tls://host/system?pkipath=/dir and their like.
// Parameters that would have no effect are errors.
func Parse(text string) (URI, error) {
	u, err := url.Parse(text)
	if err != nil {
		var reason *url.Error
		if errors.As(err, &reason) {
			err = reason.Err // without the text, which is said below
		}
		return URI{}, fmt.Errorf("libvirt URI %q: %w", secret.ReplaceAllString(text, "//xxxxx@"), err)
	}
	d, err := read(u)
	if err != nil {
		return URI{}, fmt.Errorf("libvirt URI %q: %w", u.Redacted(), err)
	}
	d.Text = text
	return d, nil
}

func read(u *url.URL) (URI, error) {
	d := URI{Driver: "qemu://" + u.Path, Host: u.Hostname(), Port: u.Port(), User: u.User.Username()}
	driver, way, named := strings.Cut(u.Scheme, "+")
	switch {
	case driver != "qemu":
		return d, errors.New("hosts need a QEMU driver, such as in qemu:///system or qemu+ssh://machine/system")
	case named:
		d.Transport = Transport(way)
	case u.Host != "":
		d.Transport = TLS // libvirt's own choice
	default:
		d.Transport = Unix
	}
	known, ok := uriParameters[d.Transport]
	if !ok {
		return d, fmt.Errorf("transport %q: want unix, tcp, tls or ssh", way)
	}
	d.Remote = d.Transport != Unix
	_, password := u.User.Password()
	switch {
	case u.Path != "/system" && u.Path != "/session":
		return d, fmt.Errorf("path %q: want /system or /session", u.Path)
	case u.Fragment != "":
		return d, errors.New("a fragment (#…) means nothing here")
	case password:
		return d, errors.New("no password can be given; use keys or certificates")
	case u.User != nil && d.Transport != SSH:
		return d, fmt.Errorf("a user means nothing to %s", d.Transport)
	case d.Remote && d.Host == "":
		return d, fmt.Errorf("%s needs a host: qemu+%s://machine%s", d.Transport, d.Transport, u.Path)
	case !d.Remote && u.Host != "":
		return d, errors.New("unix is for this machine and takes no host; use tls or ssh for another")
	case strings.HasPrefix(d.Host, "-") || strings.HasPrefix(d.User, "-"):
		return d, errors.New("a host or user cannot begin with a dash")
	}
	if n, err := strconv.ParseUint(d.Port, 10, 16); d.Port != "" && (err != nil || n == 0) {
		return d, fmt.Errorf("port %s: want 1 to 65535", d.Port)
	}
	parameters, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return d, err
	}
	if err := d.readParameters(parameters, known); err != nil {
		return d, err
	}
	switch {
	case d.Socket == "" && u.Path == "/session" && d.Transport == SSH:
		return d, errors.New("where a session's socket is there is not known here: add ?socket=/path/of/libvirt-sock")
	case d.Socket == "" && u.Path == "/system":
		d.Socket = systemSocket
	}
	return d, nil
}

func (d *URI) readParameters(parameters url.Values, known []string) error {
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		values := parameters[name]
		if !slices.Contains(known, name) {
			all := cmp.Or(strings.Join(known, ", "), "none")
			return fmt.Errorf("parameter %q is not known for %s; known: %s", name, d.Transport, all)
		}
		value := values[0]
		switch {
		case len(values) > 1:
			return fmt.Errorf("parameter %q is given %d times", name, len(values))
		case name == "no_verify":
			if value != "0" && value != "1" {
				return fmt.Errorf("no_verify=%s: want 0 or 1", value)
			}
			d.NoVerify = value == "1"
			continue
		case !filepath.IsAbs(value) || strings.ContainsRune(value, 0):
			return fmt.Errorf("%s=%s: want an absolute path", name, value)
		case d.Transport == SSH && !sshPath.MatchString(value):
			return fmt.Errorf("%s=%s: ssh takes only paths of letters, digits and /._+@,=-", name, value)
		}
		switch name {
		case "socket":
			d.Socket = value
		case "pkipath":
			d.PKI = value
		case "keyfile":
			d.KeyFile = value
		case "known_hosts":
			d.KnownHosts = value
		}
	}
	return nil
}

// SocketPath is where the daemon's socket is; a session's depends on who asks.
func (d URI) SocketPath() string {
	if d.Socket != "" {
		return d.Socket
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir, _ = os.UserCacheDir() // without a home the path below is relative, and there is nothing
	}
	return filepath.Join(dir, "libvirt/libvirt-sock")
}
