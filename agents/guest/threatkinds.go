package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"unsafe"

	"github.com/fleetfall/fleetfall/agents/content"
)

// A threatKind is a kind of synthetic threat.
type threatKind struct {
	what     string
	executes bool // a program, else the act is done by this process
	make     func(t *threats, number uint64) threat
}

// A threat is one of them. A report that has its rule and its sign, and comes after it began, is about this threat: names are a
// threat's own (rules go by how they begin), because the process ID of an execution that is refused is never known here. Only a
// module has no name: its sign is the operation, and a report that comes as late as the next module's turn would be taken for that one's.
type threat struct {
	rule    uint32       // of content.Baseline, which is for threats of this kind
	sign    string       // by which the agent's report names it
	prepare func() error // what is no threat yet
	act     func() error // EACCES or EPERM when it was blocked
	ends    error        // what act returns when it was done
	clean   func() error // removes what is left, whatever was done
}

// threatOrder lists kinds in the order of their turns: two that tell how the host is protected, and then in turn one of those
// that differ from architecture to architecture. So the two come often, and all come.
func threatOrder() []threatKind {
	exec, mark := executed("exec", content.RuleThreatExec), executed("mark", content.RuleThreatMark) // to be blocked; to be reported, and let run
	var order []threatKind
	for _, kind := range []threatKind{
		executed("short", content.RuleThreatShort), // to be reported though it ends at once
		{"script", true, script},
		{"write", false, writing},
		{"mmap", false, mapping},
		{"module", false, module},
		{"rename", false, rename},
		{"delete", false, deletion},
	} {
		order = append(order, exec, mark, kind)
	}
	return order
}

// executed is a kind whose threats are programs called threat-KIND.
func executed(what string, rule uint32) threatKind {
	return threatKind{what, true, func(t *threats, number uint64) threat {
		program := t.dir + "/threat-" + what
		path := fmt.Sprintf("%s-%d", program, number)
		return threat{
			rule: rule,
			sign: path,
			prepare: func() error {
				if err := os.Link(program, path); !errors.Is(err, os.ErrExist) {
					return err
				}
				return nil
			},
			act:   func() error { return execute(path) },
			clean: func() error { return remove(path) },
		}
	}}
}

// script has a harmless interpreter obey a file. What is executed is the interpreter.
func script(t *threats, number uint64) threat {
	path := fmt.Sprintf("%s/threat-script-%d", t.files, number)
	return threat{
		rule:    content.RuleThreatScript,
		sign:    path,
		prepare: func() error { return os.WriteFile(path, []byte("exit 0\n"), 0o644) },
		act:     func() error { return execute(t.dir+"/interp", path) },
		clean:   func() error { return remove(path) },
	}
}

// writing writes to a file that is there.
func writing(t *threats, number uint64) threat {
	name := fmt.Sprintf("threat-write-%d", number)
	path := filepath.Join(t.files, name)
	return threat{
		rule:    content.RuleThreatWrite,
		sign:    name,
		prepare: func() error { return os.WriteFile(path, nil, 0o644) },
		act:     func() error { return os.WriteFile(path, []byte{'x'}, 0) },
		clean:   func() error { return remove(path) },
	}
}

// mapping writes to a file without write(2).
func mapping(t *threats, number uint64) threat {
	name := fmt.Sprintf("threat-mmap-%d", number)
	path := filepath.Join(t.files, name)
	return threat{
		rule:    content.RuleThreatMmap,
		sign:    name,
		prepare: func() error { return os.WriteFile(path, make([]byte, os.Getpagesize()), 0o644) },
		act:     func() error { return writeMapped(path) },
		clean:   func() error { return remove(path) },
	}
}

func writeMapped(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	memory, err := syscall.Mmap(int(file.Fd()), 0, os.Getpagesize(), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED)
	if err != nil {
		return err
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // of a page that there is no memory for; else it would end us
	memory[0] = 'x'
	return syscall.Munmap(memory)
}

// module gives the kernel a module that is none. The kernel asks its security modules first. That its signature should be
// longer than the whole is the one defect that it then refuses without a word on the console.
func module(*threats, uint64) threat {
	const least = 64 // bytes that the kernel takes for a module at all
	none := append(bytes.Repeat([]byte{0xff}, least), "~Module signature appended~\n"...)
	return threat{
		rule:    content.RuleThreatModule,
		sign:    content.ModuleLoad,
		prepare: func() error { return nil },
		act: func() error {
			parameters := []byte{0}
			_, _, errno := syscall.Syscall(syscall.SYS_INIT_MODULE, uintptr(unsafe.Pointer(&none[0])), uintptr(len(none)),
				uintptr(unsafe.Pointer(&parameters[0])))
			if errno != 0 {
				return errno
			}
			return nil
		},
		ends:  syscall.EBADMSG,
		clean: func() error { return nil },
	}
}

// rename puts a file in the place of one of the system's.
func rename(t *threats, number uint64) threat {
	name := fmt.Sprintf("threat-rename-%d", number)
	path, system := filepath.Join(t.files, name), filepath.Join(t.files, "system.conf")
	return threat{
		rule: content.RuleThreatRename,
		sign: name,
		prepare: func() error {
			return errors.Join(os.WriteFile(system, []byte("setting = 1\n"), 0o644), os.WriteFile(path, []byte("setting = 2\n"), 0o644))
		},
		act:   func() error { return os.Rename(path, system) },
		clean: func() error { return errors.Join(remove(path), remove(system)) },
	}
}

// deletion deletes a file that the agent would need.
func deletion(t *threats, number uint64) threat {
	name := fmt.Sprintf("agent-state-%d", number)
	path := filepath.Join(t.files, name)
	return threat{
		rule:    content.RuleThreatDelete,
		sign:    name,
		prepare: func() error { return os.WriteFile(path, []byte("state\n"), 0o644) },
		act:     func() error { return os.Remove(path) },
		clean:   func() error { return remove(path) },
	}
}

// remove removes a file if it is there.
func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
