package libvirt

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

// A transport is how a daemon is reached.
type transport string

const (
	transportUnix transport = "unix" // a socket on this machine
	transportTCP  transport = "tcp"  // in clear, without authentication
	transportTLS  transport = "tls"  // with certificates of both sides
	transportSSH  transport = "ssh"  // a tunnel to the daemon's socket, through the ssh program
)

// uriParameters are those of libvirt's parameters that mean something to each transport, sorted,
// see https://libvirt.org/uri.html.
var uriParameters = map[transport][]string{
	transportUnix: {"socket"},
	transportTCP:  {},
	transportTLS:  {"no_verify", "pkipath"},
	transportSSH:  {"keyfile", "known_hosts", "no_verify", "socket"},
}

// A daemonURI says where a libvirt daemon is and how it is reached.
type daemonURI struct {
	text       string    // as it was given
	driver     string    // what the daemon itself is asked to open: qemu:///system or qemu:///session
	transport  transport //
	remote     bool      // files and sockets of the daemon's machine are not ours to open, even if it is this one
	user       string    // of ssh; "" is for ssh to choose
	host, port string    // port "" is the transport's own
	socket     string    // unix and ssh: path on the daemon's machine; "" is the session's own
	pki        string    // tls: directory of cacert.pem, clientcert.pem and clientkey.pem; "" is libvirt's usual places
	noVerify   bool      // tls, ssh: the other side may be anybody
	keyFile    string    // ssh
	knownHosts string    // ssh
}

const systemSocket = "/var/run/libvirt/libvirt-sock"

// sshPath is a path that means itself to ssh, which expands and splits some of what it is given.
var sshPath = regexp.MustCompile(`^/[A-Za-z0-9/._+@,=-]*$`)

// parseURI reads a libvirt URI of a QEMU driver: qemu:///system, qemu+tls://host/system?pkipath=/dir and their like.
// Parameters that would have no effect are errors.
func parseURI(text string) (daemonURI, error) {
	u, err := url.Parse(text)
	if err != nil {
		var reason *url.Error
		if errors.As(err, &reason) {
			err = reason.Err // without the text, which is said below
		}
		return daemonURI{}, fmt.Errorf("libvirt URI %q: %w", text, err)
	}
	d, err := readURI(u)
	if err != nil {
		return daemonURI{}, fmt.Errorf("libvirt URI %q: %w", u.Redacted(), err)
	}
	d.text = text
	return d, nil
}

func readURI(u *url.URL) (daemonURI, error) {
	d := daemonURI{driver: "qemu://" + u.Path, host: u.Hostname(), port: u.Port(), user: u.User.Username()}
	driver, way, named := strings.Cut(u.Scheme, "+")
	switch {
	case driver != "qemu":
		return d, errors.New("hosts need a QEMU driver, such as in qemu:///system or qemu+ssh://machine/system")
	case named:
		d.transport = transport(way)
	case u.Host != "":
		d.transport = transportTLS // libvirt's own choice
	default:
		d.transport = transportUnix
	}
	known, ok := uriParameters[d.transport]
	if !ok {
		return d, fmt.Errorf("transport %q: want unix, tcp, tls or ssh", way)
	}
	d.remote = d.transport != transportUnix
	_, password := u.User.Password()
	switch {
	case u.Path != "/system" && u.Path != "/session":
		return d, fmt.Errorf("path %q: want /system or /session", u.Path)
	case u.Fragment != "":
		return d, errors.New("a fragment (#…) means nothing here")
	case password:
		return d, errors.New("no password can be given; use keys or certificates")
	case u.User != nil && d.transport != transportSSH:
		return d, fmt.Errorf("a user means nothing to %s", d.transport)
	case d.remote && d.host == "":
		return d, fmt.Errorf("%s needs a host: qemu+%s://machine%s", d.transport, d.transport, u.Path)
	case !d.remote && u.Host != "":
		return d, errors.New("unix is for this machine and takes no host; use tls or ssh for another")
	case strings.HasPrefix(d.host, "-") || strings.HasPrefix(d.user, "-"):
		return d, errors.New("a host or user cannot begin with a dash")
	}
	if n, err := strconv.ParseUint(d.port, 10, 16); d.port != "" && (err != nil || n == 0) {
		return d, fmt.Errorf("port %s: want 1 to 65535", d.port)
	}
	parameters, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return d, err
	}
	if err := d.readParameters(parameters, known); err != nil {
		return d, err
	}
	switch {
	case d.socket == "" && u.Path == "/session" && d.transport == transportSSH:
		return d, errors.New("where a session's socket is there is not known here: add ?socket=/path/of/libvirt-sock")
	case d.socket == "" && u.Path == "/system":
		d.socket = systemSocket
	}
	return d, nil
}

func (d *daemonURI) readParameters(parameters url.Values, known []string) error {
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		values := parameters[name]
		if !slices.Contains(known, name) {
			all := cmp.Or(strings.Join(known, ", "), "none")
			return fmt.Errorf("parameter %q is not known for %s; known: %s", name, d.transport, all)
		}
		value := values[0]
		switch {
		case len(values) > 1:
			return fmt.Errorf("parameter %q is given %d times", name, len(values))
		case name == "no_verify":
			if value != "0" && value != "1" {
				return fmt.Errorf("no_verify=%s: want 0 or 1", value)
			}
			d.noVerify = value == "1"
			continue
		case !filepath.IsAbs(value) || strings.ContainsRune(value, 0):
			return fmt.Errorf("%s=%s: want an absolute path", name, value)
		case d.transport == transportSSH && !sshPath.MatchString(value):
			return fmt.Errorf("%s=%s: ssh takes only paths of letters, digits and /._+@,=-", name, value)
		}
		switch name {
		case "socket":
			d.socket = value
		case "pkipath":
			d.pki = value
		case "keyfile":
			d.keyFile = value
		case "known_hosts":
			d.knownHosts = value
		}
	}
	return nil
}

// socketPath is where the daemon's socket is; a session's depends on who asks.
func (d daemonURI) socketPath() string {
	if d.socket != "" {
		return d.socket
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir, _ = os.UserCacheDir() // without a home the path below is relative, and there is nothing
	}
	return filepath.Join(dir, "libvirt/libvirt-sock")
}
