package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
)

// VirtualTime reads how long a machine has run on its virtual clock, from outside and whatever its guest does: the
// hardware clock counts whole seconds since virtualEpoch. It is of a machine that runs, and a time that has been; of
// one that stands still, errStopped is returned.
func (m *Machine) VirtualTime(ctx context.Context) (time.Duration, error) {
	var t time.Duration
	err := m.Site.Line.Call(ctx, "read the virtual clock", connect.CallTime, func(l *golibvirt.Libvirt) error {
		now, err := hardwareClock(l, m.Domain)
		if err != nil {
			return err
		}
		status, err := l.QEMUDomainMonitorCommand(m.Domain, `{"execute":"query-status"}`, 0)
		if err != nil {
			return err
		}
		// A machine that has just stopped may have leapt over time that it never lived through.
		if !Runs(status) {
			return errStopped
		}
		t = now.Sub(Epoch)
		return nil
	})
	if err != nil { // the call may go on without us
		return 0, err
	}
	return t, nil
}

// LastTime is how long a machine that stands still has run on its virtual clock at most. Its hardware clock counts
// whole seconds, and may have leapt as the machine stopped. A guest may have set it, of which libvirt tells before.
func (m *Machine) LastTime(ctx context.Context) (time.Duration, error) {
	var t time.Duration
	err := m.Site.Line.Call(ctx, "read the clock of a machine that has panicked", connect.CallTime, func(l *golibvirt.Libvirt) error {
		now, err := hardwareClock(l, m.Domain)
		t = now.Sub(Epoch) + time.Second
		return err
	})
	if err != nil { // the call may go on without us
		return 0, err
	}
	return t, nil
}

var errStopped = errors.New("the machine stands still")

// hardwareClock reads what a machine's real-time clock shows.
func hardwareClock(l *golibvirt.Libvirt, d golibvirt.Domain) (time.Time, error) {
	text, err := l.QEMUDomainMonitorCommand(d, `{"execute":"qom-get","arguments":{"path":"/machine","property":"rtc-time"}}`, 0)
	if err != nil {
		return time.Time{}, err
	}
	var answer struct {
		Return struct {
			Year   int `json:"tm_year"`
			Month  int `json:"tm_mon"`
			Day    int `json:"tm_mday"`
			Hour   int `json:"tm_hour"`
			Minute int `json:"tm_min"`
			Second int `json:"tm_sec"`
		} `json:"return"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return time.Time{}, fmt.Errorf("QEMU says %q of its hardware clock: %w", text, err)
	}
	r := answer.Return
	return time.Date(1900+r.Year, time.Month(1+r.Month), r.Day, r.Hour, r.Minute, r.Second, 0, time.UTC), nil
}

// Runs tells whether QEMU's answer to query-status is that the guest runs.
func Runs(status string) bool {
	return strings.Contains(status, `"running":true`) || strings.Contains(status, `"running": true`)
}
