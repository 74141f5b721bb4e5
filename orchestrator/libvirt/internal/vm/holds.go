package vm

// As long as a guest rings, QEMU can do nothing else, and be stopped just as little. So every boot, also one that is
// no copy and one that becomes a template, is held at the door a number of times, each for a time in which the guest
// does nothing. In or about one of these it is stopped; its copies are held for the times that are left. So the door
// takes the same time in each of them, to the tick.
const (
	DoorHolds = 8    // times that a boot is held
	DoorTicks = 4000 // ns of the virtual clock for which it is, each time
)

// Held has a guest that rings held at the door for as many times as are left, and tells whether it was.
func (m *Machine) Held(left *int) bool {
	if *left == 0 {
		return false
	}
	*left--
	return m.Mailbox.Hold(DoorTicks) == nil // else QEMU has ended, and libvirt will say more
}
