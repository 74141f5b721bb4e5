package engine

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"unsafe"

	"github.com/fleetfall/fleetfall/agents/content"
)

func TestTune(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(math.MaxInt64))
	Tune()
	if percent := debug.SetGCPercent(-1); percent != -1 {
		t.Errorf("garbage is collected when the heap has grown by %d %%, want never", percent)
	}
	const asItIs = -1
	if limit := debug.SetMemoryLimit(asItIs); limit != heapLimit {
		t.Errorf("the heap's limit is %d bytes, want %d", limit, heapLimit)
	}
}

// What a rule takes, as agents/ebpf/README.md says it.
func TestSizeOfARule(t *testing.T) {
	const rule, field = 48, 24
	if r, f := unsafe.Sizeof(content.Instance{}), unsafe.Sizeof(content.Criterion{}); r != rule || f != field {
		t.Errorf("a rule takes %d bytes and %d for each field, want %d and %d", r, f, rule, field)
	}
}
