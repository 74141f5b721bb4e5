package engine

import (
	"runtime"
	"runtime/debug"
)

const heapLimit = 16 << 20 // bytes

// Tune fits Go's runtime to a small machine with one slow CPU: garbage is collected only at the heap's limit, thousands of
// events apart. Every daemon in Go begins with it, so that they differ in nothing that is no architecture.
func Tune() {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(heapLimit)
}
