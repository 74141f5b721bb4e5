package libvirt

import "time"

// Tolerance is how far the times of the same thing may differ in two runs of one seed on the virtual clock. It is measured,
// on idle machines and on busy ones: what is left, see ARCHITECTURE.md, is below a millisecond.
const Tolerance = 2 * time.Millisecond
