package scenarios

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fleetfall/fleetfall/internal/daemonuri"
)

// exampleURI is the URI that messages show.
const exampleURI = "qemu+tls://big.example.org/system"

// node reads a host block.
func (s *script) node(sec *section) {
	before := len(sec.l.diags)
	n := Node{
		Name: sec.name,
		URI:  sec.text("uri", ""),
		At:   fmt.Sprintf("%s:%d,%d", sec.def.Filename, sec.def.Start.Line, sec.def.Start.Column),
	}
	s.nodes = append(s.nodes, declared[Node]{n, sec})
	if !sec.has("uri") || !sec.settled("uri") || len(sec.l.diags) > before {
		return
	}
	uri, err := daemonuri.Parse(n.URI)
	if err != nil {
		sec.fail("uri", "Invalid URI", "%q: %v.%s", "uri", err, schemeHint(n.URI))
		return
	}
	if first := s.daemons[uri.Daemon()]; first != nil {
		sec.fail("uri", "Duplicate URI",
			"The host %q at %s has the same daemon: the memory there would be counted twice. Remove one of the two, or give "+
				"another URI.", shorten(first.name), first.def)
		return
	}
	s.daemons[uri.Daemon()] = sec
}

// schemeHint says what may be meant where a URI's scheme is none of libvirt's.
func schemeHint(uri string) string {
	scheme, _, ok := strings.Cut(uri, ":")
	if !ok || slices.Contains(daemonuri.Schemes, scheme) {
		return ""
	}
	return hint(scheme, "schemes", daemonuri.Schemes)
}
