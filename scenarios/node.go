package scenarios

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// exampleURI is the URI that messages show.
const exampleURI = "qemu+tls://big.example.org/system"

// uriSchemes are those that a libvirt daemon's URI can have: the driver, and how the daemon is reached.
var uriSchemes = []string{"qemu", "qemu+ssh", "qemu+tcp", "qemu+tls", "qemu+unix"}

// remotePorts are where daemons on other machines listen when a URI does not say; the other schemes stay on this machine.
var remotePorts = map[string]string{"qemu+ssh": "22", "qemu+tcp": "16509", "qemu+tls": "16514"}

// node reads a host block.
func (s *script) node(sec *section) {
	before := len(sec.l.diags)
	n := Node{
		Name: sec.name,
		URI:  sec.text("uri", ""),
		At:   fmt.Sprintf("%s:%d,%d", sec.def.Filename, sec.def.Start.Line, sec.def.Start.Column),
	}
	s.nodes = append(s.nodes, n)
	if !sec.has("uri") || !sec.settled("uri") || len(sec.l.diags) > before {
		return
	}
	daemon, err := daemonOf(n.URI)
	if err != nil {
		sec.fail("uri", "Invalid URI", "%q: %v.", "uri", err)
		return
	}
	if first := s.daemons[daemon]; first != nil {
		sec.fail("uri", "Duplicate URI",
			"The host %q at %s has the same daemon: the memory there would be counted twice. Remove one of the two, or give "+
				"another URI.", shorten(first.name), first.def)
		return
	}
	s.daemons[daemon] = sec
}

// daemonOf checks the URI of a libvirt daemon. It returns a text that is the same for all URIs of one daemon as far as
// URIs tell. The error says how to mend the URI; it is a clause without a full stop.
func daemonOf(uri string) (daemon string, err error) {
	u, err := url.Parse(uri)
	if err == nil && !slices.Contains(uriSchemes, u.Scheme) {
		return "", schemeError(uri, u.Scheme)
	}
	var query url.Values
	if err == nil {
		query, err = url.ParseQuery(u.RawQuery)
	}
	if err != nil {
		if parsing := (*url.Error)(nil); errors.As(err, &parsing) {
			err = parsing.Err // without the URI once more
		}
		return "", fmt.Errorf("%q is no URI, %w; write one such as %q", uri, err, exampleURI)
	}
	port, remote := remotePorts[u.Scheme]
	_, secret := u.User.Password()
	switch {
	case remote && u.Hostname() == "":
		return "", fmt.Errorf("%q does not name the machine; write it after the slashes, as in %q", uri, exampleURI)
	case !remote && u.Host != "":
		return "", fmt.Errorf("%q stands for a daemon on this machine, and names the machine %q; write %q to reach that one, "+
			"or %q without a name", uri, u.Host, "qemu+tls://"+u.Host+"/system", u.Scheme+":///system")
	case u.Path != "/system" && u.Path != "/session":
		return "", fmt.Errorf("%q has the path %q; QEMU's daemons have /system, and /session for one user's own", uri, u.Path)
	case secret:
		return "", fmt.Errorf("%q has a password in it, which the results would keep; libvirt asks for none there, "+
			"so leave it out", u.Redacted())
	}
	if given := u.Port(); given != "" {
		if port = given; !validPort(port) {
			return "", fmt.Errorf("%q has the port %s; ports are 1 to 65535", uri, port)
		}
	}
	return strings.Join([]string{strings.ToLower(u.Hostname()), port, u.Path, query.Get("socket")}, " "), nil
}

func validPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0
}

func schemeError(uri, scheme string) error {
	if scheme == "" {
		return fmt.Errorf("%q has no scheme; write a URI such as %q", uri, exampleURI)
	}
	mend := "; the"
	if near := nearest(scheme, uriSchemes); near != "" {
		mend = fmt.Sprintf("; did you mean %q? The", near)
	}
	return fmt.Errorf("%q has the scheme %q%s schemes are %s", uri, scheme, mend, andList(uriSchemes))
}
