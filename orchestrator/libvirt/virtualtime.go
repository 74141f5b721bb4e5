package libvirt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
)

const (
	powerTimerPort = 0x608   // of the q35 machine's ACPI power-management timer, after its firmware has set it up
	powerTimerRate = 3579545 // ticks a second of the virtual clock; ACPI specification 6.4, 4.8.2.1
	powerTimerBits = 24
)

// virtualTime reads how long a machine has run on its virtual clock, from outside and whatever its guest does: the hardware
// clock counts whole seconds since virtualEpoch, and the power-management timer what is left of them. It is of a machine that runs, and a time that has been; of one that stands still, errStopped is returned.
func (m *machine) virtualTime(ctx context.Context) (time.Duration, error) {
	var t time.Duration
	err := m.hypervisor.call(ctx, "read the virtual clock", callTime, func(l *golibvirt.Libvirt) error {
		before, err := hardwareClock(l, m.domain)
		if err != nil {
			return err
		}
		ticks, err := powerTimer(l, m.domain)
		if err != nil {
			return err
		}
		after, err := hardwareClock(l, m.domain)
		if err != nil {
			return err
		}
		status, err := l.QEMUDomainMonitorCommand(m.domain, `{"execute":"query-status"}`, 0)
		if err != nil {
			return err
		}
		// A machine that has just stopped may have leapt over time that it never lived through.
		if !strings.Contains(status, `"running":true`) && !strings.Contains(status, `"running": true`) {
			return errStopped
		}
		t = before.Sub(virtualEpoch)
		if before.Equal(after) {
			t = inSecond(t, ticks)
		}
		return nil
	})
	if err != nil { // the call may go on without us
		return 0, err
	}
	return t, nil
}

var errStopped = errors.New("the machine stands still")

// inSecond is the time within the second that begins at t at which the timer shows these ticks; t when it does not.
func inSecond(t time.Duration, ticks uint32) time.Duration {
	const wrap = 1 << powerTimerBits
	at := new(big.Int).Mul(big.NewInt(int64(t)), big.NewInt(powerTimerRate))
	begin := at.Div(at, big.NewInt(int64(time.Second))).Int64() // ticks at t
	more := (int64(ticks) - begin%wrap + wrap) % wrap
	if more > powerTimerRate {
		return t
	}
	return t + time.Duration(more)*time.Second/powerTimerRate
}

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

// powerTimer reads a machine's power-management timer.
func powerTimer(l *golibvirt.Libvirt, d golibvirt.Domain) (uint32, error) {
	const human = 1 // VIR_DOMAIN_QEMU_MONITOR_COMMAND_HMP
	text, err := l.QEMUDomainMonitorCommand(d, fmt.Sprintf("i /w %#x", powerTimerPort), human)
	if err != nil {
		return 0, err
	}
	_, value, _ := strings.Cut(text, "= 0x") // "portl[0x0608] = 0x0053ae57"
	ticks, err := strconv.ParseUint(strings.TrimSpace(value), 16, 32)
	if err != nil {
		return 0, fmt.Errorf("QEMU says %q of its timer: %w", text, err)
	}
	return uint32(ticks) % (1 << powerTimerBits), nil
}
