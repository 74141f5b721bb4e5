package orchestrator

import (
	"fmt"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/orchestrator/draw"
	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// Versions of the content that a trial's hosts meet: an image ships an older one, see vmimages.
const (
	updateVersion uint64 = 11 // what is injected, unless its fault is to be older
	revertVersion uint64 = 12 // what the vendor ships when it has pulled that
)

// offers makes a trial's update and what reverts it, as the test vendor signs them, for no host yet. A repeat's update
// is the same file for every fleet, and for every wave of one.
func offers(t Trial) (update, revert fleet.Serve, err error) {
	c := t.Cell
	seed := draw.Seed(t.Plan.Seed, draw.Content, t.Repeat, 0)
	if t.Draws == draw.ByName {
		seed = seedByName(t.Plan.Seed, "update "+c.Update.Name, t.Repeat)
	}
	_, key := content.TestVendorKey()
	fault, err := content.FindFault(c.Update.Fault)
	if err != nil {
		return update, revert, fmt.Errorf("cell %s: %w", c.ID, err)
	}
	harmless, err := content.FindFault("none")
	if err != nil {
		return update, revert, err
	}
	file, err := fault.Update(updateVersion, seed, content.Params(c.Update.Parameters), key)
	if err != nil {
		return update, revert, fmt.Errorf("cell %s: %w", c.ID, err)
	}
	version, err := content.Version(file) // what agents take it for; they take a file that states none for nothing
	if err != nil {
		version = updateVersion
	}
	if !c.Update.Signed {
		if file, err = content.Unsigned(file); err != nil {
			return update, revert, fmt.Errorf("cell %s: %w", c.ID, err)
		}
	}
	pulled, err := harmless.Update(revertVersion, seed, nil, key)
	if err != nil {
		return update, revert, fmt.Errorf("cell %s: %w", c.ID, err)
	}
	return fleet.Offer(version, file), fleet.Offer(revertVersion, pulled), nil
}
