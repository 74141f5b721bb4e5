package libvirt

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

// isGone tells whether an error says that there is no such domain (any more).
func isGone(err error) bool {
	var e golibvirt.Error
	return errors.As(err, &e) && e.Code == uint32(golibvirt.ErrNoDomain)
}

// isLost tells whether a call failed because the connection ended. What was asked for may have been done or not.
func isLost(err error) bool { return errors.Is(err, errDisconnected) }

// lostIfEnded has isLost recognise the errors of a connection that ended, for whatever reason, before it was answered.
func lostIfEnded(err error) error {
	var answer golibvirt.Error
	if err == nil || isLost(err) || errors.As(err, &answer) || errors.Is(err, os.ErrDeadlineExceeded) {
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

// busyAgain is the pace at which the daemon is asked again for what it had no time for.
const busyAgain = 50 * time.Millisecond

// isBusy tells whether the daemon may do later what it has refused. These codes have other meanings, too.
func isBusy(err error) bool {
	return hasCode(err, golibvirt.ErrOperationInvalid) || hasCode(err, golibvirt.ErrInternalError)
}

func hasCode(err error, code golibvirt.ErrorNumber) bool {
	var e golibvirt.Error
	return errors.As(err, &e) && e.Code == uint32(code)
}
