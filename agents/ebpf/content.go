package main

import (
	"fmt"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/safe/engine"
)

// readContent reads the content file and makes steps of it. The version is what the file claims, 0 if it is no channel file of any
// format: content that is refused is named by it too.
func readContent(path string) (version uint64, steps []step, err error) {
	file, err := engine.ReadFile(path)
	if err != nil {
		return 0, nil, fmt.Errorf("cannot read %w", err)
	}
	version, _ = content.Version(file)
	key, _ := content.TestVendorKey()
	f, err := engine.Load(file, key)
	if err != nil {
		return version, nil, err
	}
	steps, err = compile(f)
	return version, steps, err
}
