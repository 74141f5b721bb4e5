package connect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fleetfall/fleetfall/internal/daemonuri"
	"github.com/fleetfall/fleetfall/internal/printable"
	"github.com/fleetfall/fleetfall/internal/tool"
)

const (
	tunnelTime  = 20 * time.Second // for ssh to log in
	tunnelReady = "fleetfall: the tunnel is open"
)

// A tunnel is an ssh program that forwards a socket here to the daemon's there, for any number of connections: one
// process a daemon, where libvirt's own client starts one a connection. The user's ssh configuration and agent apply.
type tunnel struct {
	socket string // path of our end
	dir    string // made for it, closed to other users
	cmd    *exec.Cmd
	input  io.WriteCloser // ssh ends when this is closed, so also when we are killed
	words  *lastWords
	exited chan struct{}
}

// openTunnel logs in, without ever asking anything of the user, and returns when connections can be made.
func openTunnel(ctx context.Context, uri daemonuri.URI, in string) (t *tunnel, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("ssh to %s: %w", uri.Host, err)
		}
	}()
	program, err := tool.Find("ssh")
	if err != nil {
		return nil, fmt.Errorf("%w; apt-get install openssh-client", err)
	}
	dir, err := os.MkdirTemp(in, "fleetfall-ssh-")
	if err != nil {
		return nil, err
	}
	t = &tunnel{socket: filepath.Join(dir, "libvirt-sock"), dir: dir, words: &lastWords{}, exited: make(chan struct{})}
	greeting := &awaited{text: tunnelReady + "\n", come: make(chan struct{})}
	t.cmd = exec.Command(program, tunnelArgs(uri, t.socket)...)
	t.cmd.Stdout, t.cmd.Stderr = greeting, t.words
	t.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's interrupt is for us
	t.cmd.WaitDelay = time.Second                           // what ssh may have started does not hold us
	t.input, err = t.cmd.StdinPipe()
	if err == nil {
		err = t.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	go func() {
		_ = t.cmd.Wait() // its last words tell why
		close(t.exited)
	}()
	timer := time.NewTimer(tunnelTime)
	defer timer.Stop()
	select {
	case <-greeting.come:
		return t, nil
	case <-t.exited:
		err = errors.New("it ended")
	case <-ctx.Done():
		err = ctx.Err()
	case <-timer.C:
		err = fmt.Errorf("no login within %v", tunnelTime)
	}
	return nil, errors.Join(fmt.Errorf("%w%s", err, t.words), t.close())
}

// tunnelArgs are ssh's arguments. A peer that vanished is noticed within 15 seconds.
func tunnelArgs(uri daemonuri.URI, socket string) []string {
	args := []string{"-T", "-e", "none", "-a", "-x", "-L", socket + ":" + uri.Socket}
	options := []string{
		"BatchMode=yes", "ExitOnForwardFailure=yes", "ConnectTimeout=10", "ServerAliveInterval=5", "ServerAliveCountMax=2",
		// A shared connection of the user's would not end with this program, nor begin with it.
		"ControlMaster=no", "ControlPath=none",
	}
	if uri.NoVerify {
		options = append(options, "StrictHostKeyChecking=no")
	}
	if uri.KnownHosts != "" {
		options = append(options, "UserKnownHostsFile="+uri.KnownHosts)
	}
	for _, o := range options {
		args = append(args, "-o", o)
	}
	if uri.KeyFile != "" {
		args = append(args, "-i", uri.KeyFile)
	}
	if uri.User != "" {
		args = append(args, "-l", uri.User)
	}
	if uri.Port != "" {
		args = append(args, "-p", uri.Port)
	}
	// The forwarding is set up before a command runs, so that its word means that all is well. Any shell knows these
	// two.
	return append(args, "--", uri.Host, "echo '"+tunnelReady+"'; cat")
}

// close ends ssh, and with it every connection through it, and waits for that. It can be called again.
func (t *tunnel) close() error {
	_ = t.input.Close()
	grace := time.NewTimer(time.Second)
	defer grace.Stop()
	select {
	case <-t.exited:
	case <-grace.C: // a connection that is still open holds it
		_ = t.cmd.Process.Kill()
		<-t.exited
	}
	return os.RemoveAll(t.dir)
}

// An awaited text is looked for in what is written.
type awaited struct {
	text string
	tail []byte        // of what was written, shorter than text
	come chan struct{} // closed when the text came
	done bool
}

func (a *awaited) Write(p []byte) (int, error) {
	seen := append(a.tail, p...)
	if !a.done && bytes.Contains(seen, []byte(a.text)) {
		a.done = true
		close(a.come)
	}
	a.tail = append(a.tail[:0], seen[max(0, len(seen)-len(a.text)):]...)
	return len(p), nil
}

// lastWords keeps the end of what a program says.
type lastWords struct {
	mu   sync.Mutex
	text []byte
}

const maxLastWords = 2 << 10 // bytes

func (w *lastWords) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.text = append(w.text, p...)
	if over := len(w.text) - maxLastWords; over > 0 {
		w.text = append(w.text[:0], w.text[over:]...)
	}
	return len(p), nil
}

// String is ": " and the text, or nothing.
func (w *lastWords) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := strings.TrimSpace(string(w.text))
	if text == "" {
		return ""
	}
	return ": " + printable.Text(strings.ReplaceAll(text, "\r", ""))
}
