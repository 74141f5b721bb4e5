package recovery

// staff are those who come: so many, who take hosts in the order in which these were reported.
type staff struct {
	free    int
	queue   []place // from first on
	first   int
	tickets uint32
}

// A place in the queue is a host's as long as the host holds that ticket.
type place struct{ host, ticket uint32 }

// enter puts a host at the end of the queue, and returns its ticket, which is above 0.
func (s *staff) enter(host uint32) (ticket uint32) {
	s.tickets++
	s.queue = append(s.queue, place{host, s.tickets})
	return s.tickets
}

// next takes the first place, if there is one and somebody is free to go.
func (s *staff) next() (p place, ok bool) {
	if s.free == 0 || s.first == len(s.queue) {
		return p, false
	}
	p = s.queue[s.first]
	s.first++
	if s.first > len(s.queue)/2 { // what has gone is let go of, at no cost a host
		s.queue = append(s.queue[:0], s.queue[s.first:]...)
		s.first = 0
	}
	return p, true
}
