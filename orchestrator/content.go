package orchestrator

import (
	"fmt"

	"github.com/fleetfall/fleetfall/agents/content"
)

// Versions of the content that a trial's hosts meet: an image ships an older one, see vmimages.
const (
	updateVersion uint64 = 11 // what is injected, unless its fault is to be older
	revertVersion uint64 = 12 // what the vendor ships when it has pulled that
)

// An offer is content that updaters are served.
type offer struct {
	version uint64
	file    []byte
}

// offers makes a trial's update and what reverts it, as the test vendor signs them. A repeat's update is the same file for
// every fleet, and for every wave of one.
func offers(t Trial) (update, revert offer, err error) {
	c := t.Cell
	seed := deriveSeed(t.Plan.Seed, "update "+c.Update.Name, t.Repeat, 0)
	_, key := content.TestVendorKey()
	fault, err := content.FindFault(c.Update.Fault)
	if err != nil {
		return update, revert, fmt.Errorf("cell %s: %w", c.ID, err)
	}
	harmless, err := content.FindFault("none")
	if err != nil {
		return update, revert, err
	}
	update.version, revert.version = updateVersion, revertVersion
	if update.file, err = fault.Update(updateVersion, seed, content.Params(c.Update.Parameters), key); err != nil {
		return update, revert, fmt.Errorf("cell %s: %w", c.ID, err)
	}
	if v, err := content.Version(update.file); err == nil {
		update.version = v // what agents take it for; they take a file that states none for nothing
	}
	if !c.Update.Signed {
		if update.file, err = content.Unsigned(update.file); err != nil {
			return update, revert, fmt.Errorf("cell %s: %w", c.ID, err)
		}
	}
	if revert.file, err = harmless.Update(revertVersion, seed, nil, key); err != nil {
		return update, revert, fmt.Errorf("cell %s: %w", c.ID, err)
	}
	return update, revert, nil
}
