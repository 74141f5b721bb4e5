package connect

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
)

var errDisconnected = errors.New("the connection to the libvirt daemon was lost")

// IsGone tells whether an error says that there is no such domain (any more).
func IsGone(err error) bool {
	var e golibvirt.Error
	return errors.As(err, &e) && e.Code == uint32(golibvirt.ErrNoDomain)
}

// IsLost tells whether a call failed because the connection ended. What was asked for may have been done or not.
func IsLost(err error) bool { return errors.Is(err, errDisconnected) }

// lostIfEnded has isLost recognise the errors of a connection that ended, for whatever reason, before it was answered.
func lostIfEnded(err error) error {
	var answer golibvirt.Error
	if err == nil || IsLost(err) || errors.As(err, &answer) || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	var broken *net.OpError
	if errors.As(err, &broken) {
		return fmt.Errorf("%w: %w", errDisconnected, err)
	}
	// EINVAL is what the library says when it was told before.
	ends := []error{golibvirt.ErrInterrupted, syscall.EINVAL, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed}
	if slices.ContainsFunc(ends, func(end error) bool { return errors.Is(err, end) }) {
		return fmt.Errorf("%w: %w", errDisconnected, err)
	}
	return err
}

// BusyAgain is the pace at which the daemon is asked again for what it had no time for.
const BusyAgain = 50 * time.Millisecond

// IsBusy tells whether the daemon may do later what it has refused. These codes have other meanings, too.
func IsBusy(err error) bool {
	return HasCode(err, golibvirt.ErrOperationInvalid) || HasCode(err, golibvirt.ErrInternalError)
}

// HasCode tells whether an error is the daemon's, of this code.
func HasCode(err error, code golibvirt.ErrorNumber) bool {
	var e golibvirt.Error
	return errors.As(err, &e) && e.Code == uint32(code)
}
