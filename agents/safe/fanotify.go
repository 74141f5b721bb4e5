package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"github.com/fleetfall/fleetfall/agents/content"
)

// Of linux/fanotify.h.
const (
	fanCloseOnExec    = 0x1
	fanNonBlock       = 0x2
	fanClassContent   = 0x4   // is asked
	fanReportDirName  = 0xc00 // events bear a file's folder and name
	fanMarkAdd        = 0x1
	fanMarkMount      = 0x10
	fanMarkFilesystem = 0x100
	fanModify         = 0x2
	fanDelete         = 0x200
	fanRename         = 0x10000000
	fanOpenExecPerm   = 0x40000
	fanAllow          = 1
	fanDeny           = 2

	metadataSize    = 24 // of an event, before what is told of its file
	metadataVersion = 3
	infoName        = 2 // kinds of information: a name
	infoOldName     = 10
	infoNewName     = 12
)

// watchExecutions opens the group that is asked.
func watchExecutions(mounts []string) (int, error) {
	fd, err := newGroup(fanClassContent)
	if err != nil {
		return -1, err
	}
	for _, mount := range mounts {
		if err := mark(fd, fanMarkMount, fanOpenExecPerm, mount); err != nil {
			return -1, fmt.Errorf("watching %s: %w", mount, err)
		}
	}
	return fd, nil
}

// watchFiles opens the group that is told, on the mounts' whole file systems. What cannot be watched is said, and left out.
func watchFiles(mounts []string) int {
	fd, err := newGroup(fanReportDirName)
	if err != nil {
		complain("no events of files: %v", err)
		return -1
	}
	for _, mount := range mounts {
		if err := mark(fd, fanMarkFilesystem, fanModify|fanRename|fanDelete, mount); err != nil {
			complain("no events of files on %s: %v", mount, err)
		}
	}
	return fd
}

func newGroup(kind uintptr) (int, error) {
	fd, _, errno := syscall.Syscall(syscall.SYS_FANOTIFY_INIT, kind|fanCloseOnExec|fanNonBlock, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if errno != 0 {
		return -1, fmt.Errorf("fanotify_init: %w", errno)
	}
	return int(fd), nil
}

func mark(group int, kind, mask uintptr, path string) error {
	p, err := syscall.BytePtrFromString(path)
	if err != nil {
		return err
	}
	here := -100 // AT_FDCWD
	_, _, errno := syscall.Syscall6(syscall.SYS_FANOTIFY_MARK, uintptr(group), fanMarkAdd|kind, mask, uintptr(here), uintptr(unsafe.Pointer(p)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// An event is one of fanotify's.
type event struct {
	mask    uint64
	fd      int // of the file that is about to be executed; negative for none
	pid     int
	name    string // of the file that something was done to
	newName string // that a rename gives it
}

// operations are what was done to the file, in the order in which they can have happened where one event tells of several.
func (e event) operations() []string {
	var all []string
	for _, o := range []struct {
		bit  uint64
		name string
	}{{fanModify, content.Write}, {fanRename, content.Rename}, {fanDelete, content.Unlink}} {
		if e.mask&o.bit != 0 {
			all = append(all, o.name)
		}
	}
	return all
}

// readEvents returns the events that wait, as many as one read gives.
func readEvents(group int) ([]event, error) {
	var buffer [4096]byte
	n, err := syscall.Read(group, buffer[:])
	if err == syscall.EAGAIN || err == syscall.EINTR {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var events []event
	for rest := buffer[:n]; len(rest) >= metadataSize; {
		size := binary.NativeEndian.Uint32(rest)
		if rest[4] != metadataVersion {
			return events, errors.New("unknown version of events")
		}
		e := event{
			mask: binary.NativeEndian.Uint64(rest[8:]),
			fd:   int(int32(binary.NativeEndian.Uint32(rest[16:]))),
			pid:  int(int32(binary.NativeEndian.Uint32(rest[20:]))),
		}
		e.findNames(rest[binary.NativeEndian.Uint16(rest[6:]):size])
		events = append(events, e)
		rest = rest[size:]
	}
	return events, nil
}

// findNames takes the names out of the information that follows an event.
func (e *event) findNames(information []byte) {
	for len(information) > 0 {
		size := binary.NativeEndian.Uint16(information[2:])
		switch information[0] {
		case infoName, infoOldName:
			e.name = nameOf(information[:size])
		case infoNewName:
			e.newName = nameOf(information[:size])
		}
		information = information[size:]
	}
}

// nameOf returns the name behind the folder's handle.
func nameOf(information []byte) string {
	const fixed = 20 // header, file system, the handle's length and kind
	handle := binary.NativeEndian.Uint32(information[12:])
	name, _, _ := strings.Cut(string(information[fixed+handle:]), "\x00")
	return name
}

func respond(group, fd int, allowed bool) error {
	response := uint32(fanDeny)
	if allowed {
		response = fanAllow
	}
	var answer [8]byte
	binary.NativeEndian.PutUint32(answer[:], uint32(fd))
	binary.NativeEndian.PutUint32(answer[4:], response)
	_, err := syscall.Write(group, answer[:])
	return err
}

// wait waits until one of the descriptors can be read, and tells which. A negative one is not waited for.
func wait(fds ...int) (ready [3]bool, err error) {
	type pollFD struct {
		fd             int32
		events, states int16
	}
	const pollIn = 1
	var polled [len(ready)]pollFD
	for i, fd := range fds {
		polled[i] = pollFD{fd: int32(fd), events: pollIn}
	}
	_, _, errno := syscall.Syscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&polled)), uintptr(len(fds)), 0, 0, 0, 0)
	if errno == syscall.EINTR {
		return ready, nil
	}
	if errno != 0 {
		return ready, os.NewSyscallError("ppoll", errno)
	}
	for i := range polled {
		ready[i] = polled[i].states != 0
	}
	return ready, nil
}
