package test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fleetfall/fleetfall/internal/vmtest"
)

// The module in the image's kernel, with testdata/trial as its daemon: each input is what the machine knows of it; what it is asked in time counts; files take half of the queue
// and no more; and an execution whose time is over waits no more when its event is taken.
func TestModule(t *testing.T) {
	want := strings.Split(strings.TrimSpace(`
asked in time: execution of /opt/fleetfall/service, waits 1
inputs of an execution: 20
refused: permission denied
inputs of a rename: 6
not asked in time: done
taken then: 128 files; execution of /opt/fleetfall/service, waits 0
answered then: no such file or directory
unanswered: 1
dropped: 172
without a daemon: done
unanswered: 2
dropped: 173`), "\n")
	got, console := vmtest.Run(t, "./testdata/trial")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s\nconsole:\n%s", diff, console)
	}
}
