package main

import (
	"os"
	"strings"
)

// Modes and architectures of the kernel command line.
const (
	normalMode         = "normal"
	safeMode           = "safe"
	kernelArchitecture = "kernel"
	userArchitecture   = "user"
	ebpfArchitecture   = "ebpf"
	noArchitecture     = "none"
	portLink           = "port"    // to the host, over a virtio-serial port; the disk is a virtio disk
	mailboxLink        = "mailbox" // over shared memory; the disk is memory too
)

// settings are what the host decided before this boot, by the kernel command line.
type settings struct {
	mode         string // normalMode or safeMode
	architecture string // of the agent
	link         string // portLink or mailboxLink
}

func (s settings) safe() bool { return s.mode == safeMode }

// daemon is the command of the agent's daemon; nil when it has none.
func (s settings) daemon() []string {
	switch s.architecture {
	case userArchitecture:
		return []string{userAgent, contentDir + "/" + currentName, "/", "/data"}
	case ebpfArchitecture:
		return []string{ebpfAgent, contentDir + "/" + currentName}
	}
	return nil
}

// agent tells whether this boot has an agent.
func (s settings) agent() bool { return !s.safe() && s.architecture != noArchitecture }

func readSettings(path string, log *logger) settings {
	data, err := os.ReadFile(path)
	if err != nil {
		log.printf("kernel command line: %v", err)
	}
	return parseSettings(string(data), log)
}

// parseSettings reads fleetfall.mode, fleetfall.architecture and fleetfall.link. What is missing or unknown is logged and
// replaced by the choice that does least: a normal boot without an agent, with a port.
func parseSettings(commandLine string, log *logger) settings {
	s := settings{mode: normalMode, architecture: noArchitecture, link: portLink}
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
			if value != kernelArchitecture && value != userArchitecture && value != ebpfArchitecture && value != noArchitecture {
				log.printf("kernel command line: %s: want %s, %s, %s or %s", word, kernelArchitecture, userArchitecture, ebpfArchitecture,
					noArchitecture)
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
