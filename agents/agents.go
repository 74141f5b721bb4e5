// Package agents carries the sources of all that runs inside a guest, so that an installed fleetfall builds images
// without its source tree: the agents and their one interpreter in C, that which is told anew in Go, the guest program
// and the packages these import.
package agents

import (
	"embed"
	"io/fs"
)

//go:embed architecture/*.go content/*.go protocol/*.go
//go:embed ebpf/*.go ebpf/ebpf.mod ebpf/ebpf.sum ebpf/bpf/*.c ebpf/bpf/*.h
//go:embed guest/*.go guest/*.s guest/programs/*.c guest/programs/*.h
//go:embed daemon/*.c daemon/*.h interpreter/*.c interpreter/*.h sensor/*.c sensor/*.h
//go:embed hybrid/*.h hybrid/daemon/*.c hybrid/daemon/*.h hybrid/module/Kbuild hybrid/module/*.c hybrid/module/*.h
//go:embed kernel/Kbuild kernel/*.c kernel/*.h
//go:embed user/*.c user/*.h
//go:embed safe/*.go safe/engine/*.go
var files embed.FS

// Sources returns the sources, laid out as in this folder: architecture, content, protocol and guest with
// guest/programs in Go and C, safe and safe/engine in Go, ebpf in both, the rest in C. Go test files are among them;
// test data and test drivers are not.
func Sources() fs.FS { return files }
