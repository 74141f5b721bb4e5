package admission

import "time"

// A Boot is how long one boot took with nothing else running, from the start of QEMU. CPU is the processor time that QEMU
// took until the hello; zero if it is not known.
type Boot struct {
	FirstByte time.Duration // to the first byte on the console
	Hello     time.Duration // to the first request of the guest program
	CPU       time.Duration
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

// DeadlinesFor derives deadlines from a boot that was measured with the same image and accelerator, for atOnce boots at a
// time on that many CPUs. An emulated CPU may be thirty times slower than a real one, so no fixed deadline is right for
// both. They are generous, because a host that is given up too early is a sample that says something false, while one that
// is given up late costs only time: ten times as long as measured, times what the boots take from each other when they
// ask for more processor time than there is.
func DeadlinesFor(measured Boot, atOnce, cpus int) Deadlines {
	stretch := contention(measured, atOnce, cpus)
	scale := func(d, least time.Duration) time.Duration {
		return max(least, time.Duration(patience*stretch*float64(max(0, d))))
	}
	return Deadlines{FirstByte: scale(measured.FirstByte, leastFirstByte), Hello: scale(measured.Hello, leastHello)}
}

// contention is by how much boots stretch each other: the processor time that they want over what there is, at least 1.
func contention(measured Boot, atOnce, cpus int) float64 {
	busy := 1.0 // CPUs that one boot keeps busy
	if measured.CPU > 0 && measured.Hello > 0 {
		busy = float64(measured.CPU) / float64(measured.Hello)
	}
	return max(1, float64(max(1, atOnce))*busy/float64(max(1, cpus)))
}
