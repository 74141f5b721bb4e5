package admission

import "time"

// A Boot is how long one boot took with nothing else running, from the start of QEMU.
type Boot struct {
	FirstByte time.Duration // to the first byte on the console
	Hello     time.Duration // to the first request of the guest program
}

// Deadlines say when a boot is given up.
type Deadlines struct {
	FirstByte time.Duration // without a byte on the console: QEMU or the machine has failed, not the guest
	Hello     time.Duration // without a request of the guest program: the guest did not come up
}

// A boot's deadlines are never shorter than these. They are the whole of it where a boot takes a second or two: they cover
// a disk that is busy and a machine that swaps for a moment, which no measured boot foretells.
const (
	leastFirstByte = 20 * time.Second
	leastHello     = time.Minute
	patience       = 10 // times as long as measured
)

// BootsAtOnce is how many hosts may boot on a machine at a time: one for each of its CPUs. A boot keeps a CPU busy; more
// of them at once end no sooner and stretch each other's times. On two CPUs, 50 copies two at a time were up sooner than
// four at a time.
func BootsAtOnce(m Machine) int { return max(1, m.CPUs) }

// DeadlinesFor derives deadlines from a boot that was measured with the same image and accelerator, where no more hosts boot at a time
// than BootsAtOnce says. An emulated CPU may be thirty times slower than a real one, so no fixed deadline is right for both. They are
// generous, because a host that is given up too early is a sample that says something false, while one that is given up late costs
// only time.
func DeadlinesFor(measured Boot) Deadlines {
	return Deadlines{FirstByte: max(leastFirstByte, patience*measured.FirstByte), Hello: max(leastHello, patience*measured.Hello)}
}
