package libvirt

// Tolerance is how far the times of the same thing may differ in two runs of one seed on the virtual clock, in nanoseconds: not
// at all. What a guest does depends on its instructions alone, and what it is told on their order in time.
const Tolerance = 0
