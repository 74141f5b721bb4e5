package scenarios

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// readBounded reads a regular file that should have at most maxSource bytes, and no more than one byte over. It waits
// for nobody: neither for the other end of a pipe, nor for what a file of /proc may have to say one day. /dev/stdin is
// what stands behind it: good when that is a file.
func readBounded(path string) ([]byte, error) {
	src, err := readRegular(path, maxSource+1)
	switch {
	case errors.Is(err, unix.EAGAIN):
		err = errors.New("there is nothing to read in it yet; write the text into a file first")
		fallthrough
	case err != nil:
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return src, nil
}

// readRegular uses system calls, since package os waits where they do not.
func readRegular(path string, most int) ([]byte, error) {
	fd, err := again(func() (int, error) {
		return unix.Open(path, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	})
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return nil, err
	}
	if kind := stat.Mode & unix.S_IFMT; kind != unix.S_IFREG {
		return nil, fmt.Errorf("it is %s and no file; write the text into a file first", kindOfFile(kind))
	}
	var src []byte
	buffer := make([]byte, 16<<10)
	for len(src) < most {
		n, err := again(func() (int, error) { return unix.Read(fd, buffer[:min(len(buffer), most-len(src))]) })
		if err != nil {
			return nil, err
		}
		if n == 0 {
			break
		}
		src = append(src, buffer[:n]...)
	}
	return src, nil
}

// again makes a system call until no signal interrupts it.
func again(call func() (int, error)) (int, error) {
	for {
		if n, err := call(); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}

func kindOfFile(kind uint32) string {
	switch kind {
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFIFO:
		return "a pipe"
	case unix.S_IFSOCK:
		return "a socket"
	}
	return "a device"
}
