package main

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"

	"github.com/fleetfall/fleetfall/agents/content"
)

// The inputs are those of agents/user/sensor.c, in the same text for the same event; what that agent sees and misses this one
// does too.

const (
	pathMax   = 4096
	statusMax = 4096 // bytes of /proc/PID/status that hold everything we ask for
	commMax   = 16   // bytes of a process's name, its newline included
	imageHead = 64   // bytes of the file that the sensor supplies
)

// Inputs, by field number; those that an event's template does not declare are empty.
type inputs [content.SensorFields]string

// Fields of the process template, as enum ff_field in agents/interpreter has them.
const (
	imagePath = iota
	imageName
	imageDir
	imageSize
	imageMode
	imageUID
	imageGID
	imageInode
	imageDevice
	imageHeadBytes
	processID
	parentID
	processName
	parentName
	userID
	effectiveUserID
	groupID
	effectiveGroupID
	sessionID
	hostName
)

// senseExecution fills the inputs in for the file open as image, which the process is about to execute.
func senseExecution(image, pid int) inputs {
	var in inputs
	in.path(image)
	in.image(image)
	in.process(pid)
	var names syscall.Utsname
	if syscall.Uname(&names) == nil {
		in[hostName] = text(names.Nodename[:])
	}
	return in
}

// text is what C calls a string.
func text(chars []int8) string {
	var b []byte
	for _, c := range chars {
		if c == 0 {
			break
		}
		b = append(b, byte(c))
	}
	return string(b)
}

// senseFile fills the inputs in for something that the process did to a file.
func senseFile(operation, name, newName string, pid int) inputs {
	uid, _ := twoFields(statusValue(readProc(pid, "status"), "Uid"))
	return inputs{operation, name, newName, strconv.Itoa(pid), comm(pid), uid}
}

// path leaves the inputs empty when the path is too long or the file has none.
func (in *inputs) path(image int) {
	var link [pathMax]byte
	n, err := syscall.Readlink("/proc/self/fd/"+strconv.Itoa(image), link[:])
	if err != nil || n == len(link) {
		return
	}
	path := string(link[:n])
	in[imagePath] = path
	slash := strings.LastIndexByte(path, '/')
	in[imageName] = path[slash+1:]
	if slash >= 0 {
		in[imageDir] = path[:max(slash, 1)] // "/" of "/init"
	}
}

func (in *inputs) image(image int) {
	var st syscall.Stat_t
	_ = syscall.Fstat(image, &st) // zeros, if it fails
	in[imageSize] = strconv.FormatInt(st.Size, 10)
	in[imageMode] = strconv.FormatUint(uint64(st.Mode), 8)
	in[imageUID] = strconv.FormatUint(uint64(st.Uid), 10)
	in[imageGID] = strconv.FormatUint(uint64(st.Gid), 10)
	in[imageInode] = strconv.FormatUint(st.Ino, 10)
	in[imageDevice] = strconv.FormatUint(st.Dev, 10)
	var head [imageHead]byte
	if n, err := syscall.Pread(image, head[:], 0); err == nil {
		in[imageHeadBytes] = string(head[:n])
	}
}

func (in *inputs) process(pid int) {
	status := readProc(pid, "status")
	ppid, _ := strconv.Atoi(strings.TrimSpace(statusValue(status, "PPid"))) // 0 for none
	in[processID] = strconv.Itoa(pid)
	in[processName] = comm(pid)
	in[parentID] = strconv.Itoa(ppid)
	if ppid != 0 {
		in[parentName] = comm(ppid)
	}
	in[userID], in[effectiveUserID] = twoFields(statusValue(status, "Uid"))
	in[groupID], in[effectiveGroupID] = twoFields(statusValue(status, "Gid"))

	// "pid (comm) state ppid pgrp session …": comm may hold anything, so count from its last parenthesis.
	in[sessionID] = "0"
	stat := readProc(pid, "stat")
	if after := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:]); len(after) > 3 {
		in[sessionID] = after[3]
	}
}

// readProc reads a small file of a process in /proc; empty when it cannot be read.
func readProc(pid int, name string) string {
	fd, err := syscall.Open(fmt.Sprintf("/proc/%d/%s", pid, name), syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer syscall.Close(fd)
	var buffer [statusMax]byte
	n, err := syscall.Read(fd, buffer[:]) // one read: /proc gives a consistent text per read
	if err != nil {
		return ""
	}
	return string(buffer[:n])
}

// comm returns a process's name; the kernel's own workers have longer ones, which are cut.
func comm(pid int) string {
	name := readProc(pid, "comm")
	return strings.TrimSuffix(name[:min(len(name), commMax)], "\n")
}

// statusValue returns what follows "name:" on its line in the text of /proc/PID/status.
func statusValue(status, name string) string {
	for line := range strings.SplitSeq(status, "\n") {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return value
		}
	}
	return ""
}

// twoFields returns the first two words, both empty if there are fewer.
func twoFields(value string) (first, second string) {
	f := strings.Fields(value)
	if len(f) < 2 {
		return "", ""
	}
	return f[0], f[1]
}
