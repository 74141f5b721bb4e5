package results

import (
	"bufio"
	"io"
	"runtime"
	"sync"

	"github.com/go-json-experiment/json/v1"

	"github.com/fleetfall/fleetfall/orchestrator/fleet"
)

// A line of a journal, without its newline, decoded as far as that needs nothing of the lines before it.
type line struct {
	text  []byte
	end   error // why it could not be read whole; io.EOF behind the last newline
	entry Entry
	err   error // why it is no entry

	event    fleet.Happening // of an entry of kind event
	eventErr error
}

func (l *line) decode() {
	if l.end != nil {
		return
	}
	if l.err = json.Unmarshal(l.text, &l.entry); l.err == nil && l.entry.Kind == KindEvent {
		l.event, l.eventErr = fleet.DecodeHappening(l.entry.What, l.entry.Data)
	}
}

// A batch of lines is decoded by whoever has time.
type batch struct {
	lines   []line
	decoded chan struct{} // closed once they are
}

// batchLines is how many lines a batch has at most: enough that handing it on costs nothing against decoding it.
const batchLines = 256

// decoded calls take with each line of r in order, the last of which says why it ends, until take returns false. Lines
// are decoded side by side: that is what reading a journal takes its time for. What r has behind the last line that was
// taken may have been read. All that it has begun has ended when it returns.
func decoded(r io.Reader, take func(*line) bool) {
	workers := runtime.GOMAXPROCS(0)
	work, ordered, stop := make(chan *batch, workers), make(chan *batch, 2*workers), make(chan struct{})
	var begun sync.WaitGroup
	begun.Go(func() {
		defer close(work)
		defer close(ordered)
		br := bufio.NewReaderSize(r, 64<<10)
		for {
			b := &batch{decoded: make(chan struct{})}
			var end error
			for len(b.lines) < batchLines && end == nil {
				var l line
				l.text, l.end = readLine(br)
				end = l.end
				b.lines = append(b.lines, l)
			}
			for _, to := range []chan *batch{work, ordered} {
				select {
				case to <- b:
				case <-stop:
					return
				}
			}
			if end != nil {
				return
			}
		}
	})
	for range workers {
		begun.Go(func() {
			for b := range work {
				for i := range b.lines {
					b.lines[i].decode()
				}
				close(b.decoded)
			}
		})
	}
	defer begun.Wait()
	defer close(stop)
	for b := range ordered {
		<-b.decoded
		for i := range b.lines {
			if !take(&b.lines[i]) {
				return
			}
		}
	}
}
