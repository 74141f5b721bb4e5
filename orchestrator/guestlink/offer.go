package guestlink

import (
	"fmt"
	"path/filepath"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

const maxPath = 4 << 10 // bytes

// CheckServe refuses what no updater could be given: its error wraps fleet.ErrUnsupported.
func CheckServe(a fleet.Serve) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("serve content to %s: %s: %w", a.Host, fmt.Sprintf(format, args...), fleet.ErrUnsupported)
	}
	switch {
	case len(a.Content) == 0 || len(a.Content) > protocol.MaxContent:
		return wrong("it has %d bytes, want 1 to %d", len(a.Content), protocol.MaxContent)
	case a.Digest == "" || a.Size != int64(len(a.Content)):
		return wrong("it has %d bytes, and is said to have %d, with digest %q: see fleet.Offer",
			len(a.Content), a.Size, a.Digest)
	case len(a.Path) > maxPath || !filepath.IsLocal(a.Path) || filepath.Clean(a.Path) != a.Path || a.Path == ".":
		return wrong("%.80q is no file's path from the root of a disk", a.Path)
	}
	return nil
}

// partOf is what a fetch is answered with; nil when there is nothing but what the guest has. last says that the guest
// then has all. However much is asked for, no more than a part is copied.
func partOf(offer fleet.Serve, f protocol.Fetch) (part *protocol.Content, last bool) {
	begin := int64(0)
	switch {
	case len(offer.Content) == 0:
		return nil, false
	case f.Digest == offer.Digest && f.Offset >= 0 && f.Offset < offer.Size:
		begin = f.Offset
	case f.Have == offer.Version:
		return nil, false
	}
	end := min(begin+protocol.MaxPart, offer.Size)
	data := offer.Content[begin:end]
	return &protocol.Content{
		Version: offer.Version, Path: offer.Path, Digest: offer.Digest, Size: offer.Size,
		Offset: begin, Sum: protocol.Sum(data), Data: data,
	}, end == offer.Size
}
