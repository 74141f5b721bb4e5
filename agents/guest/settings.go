package main

import (
	"os"
	"slices"
	"strings"

	"github.com/fleetfall/fleetfall/agents/architecture"
)

// Modes and links of the kernel command line.
const (
	normalMode  = "normal"
	safeMode    = "safe"
	portLink    = "port"    // to the host, over a virtio-serial port; the disk is a virtio disk
	mailboxLink = "mailbox" // over shared memory; the disk is memory too
)

// settings are what the host decided before this boot, by the kernel command line.
type settings struct {
	mode         string // normalMode or safeMode
	architecture string // of the agent, one of architecture.Names
	link         string // portLink or mailboxLink
}

func (s settings) safe() bool { return s.mode == safeMode }

// agent returns what this boot starts of an agent, if it has one.
func (s settings) agent() (p parts, ok bool) {
	if s.safe() || s.architecture == architecture.None {
		return parts{}, false
	}
	return partsOf()[s.architecture], true
}

func readSettings(path string, log *logger) settings {
	data, err := os.ReadFile(path)
	if err != nil {
		log.printf("kernel command line: %v", err)
	}
	return parseSettings(string(data), log)
}

// parseSettings reads fleetfall.mode, fleetfall.architecture and fleetfall.link. What is missing or unknown is logged
// and replaced by the choice that does least: a normal boot without an agent, with a port.
func parseSettings(commandLine string, log *logger) settings {
	s := settings{mode: normalMode, architecture: architecture.None, link: portLink}
	for _, word := range strings.Fields(commandLine) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "fleetfall.mode":
			if value != normalMode && value != safeMode {
				log.printf("kernel command line: %s: want %s or %s", word, normalMode, safeMode)
				continue
			}
			s.mode = value
		case "fleetfall.architecture":
			if !slices.Contains(architecture.Names(), value) {
				log.printf("kernel command line: %s: want one of %s", word, strings.Join(architecture.Names(), ", "))
				continue
			}
			s.architecture = value
		case "fleetfall.link":
			if value != portLink && value != mailboxLink {
				log.printf("kernel command line: %s: want %s or %s", word, portLink, mailboxLink)
				continue
			}
			s.link = value
		}
	}
	return s
}
