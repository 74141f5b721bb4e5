package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// doAlone does one thing and nothing else, so that the memory of this process is that.
func doAlone(ctx context.Context, what string) error {
	switch what {
	case orchestrateOnly:
		return orchestrate(ctx)
	case queueOnly:
		return queue(queueHosts, queueTechnicians)
	}
	return fmt.Errorf("unknown argument %q: want %s, %s or none", what, orchestrateOnly, queueOnly)
}

// peakAlone has this program do one thing alone, and returns the most memory that was resident, in bytes.
func peakAlone(ctx context.Context, what string) (int64, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	c := exec.CommandContext(ctx, self, what)
	c.Stderr = os.Stderr
	if err := c.Run(); err != nil {
		return 0, fmt.Errorf("%s alone: %w", what, err)
	}
	return c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10, nil
}
