package libvirt

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/agents/protocol"
	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/connect"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemontest"
	"github.com/fleetfall/fleetfall/vmimages"
)

// streamTime is more than all that a test does with a guest takes.
const streamTime = 10 * time.Minute

// A guest that is reached through streams only: what the daemon's machine has of it is not opened.
type remoteGuest struct {
	t       *testing.T
	domain  golibvirt.Domain
	console net.Conn
	channel net.Conn
	lines   *protocol.LineReader
}

// createRemote creates a domain that has not run an instruction.
func createRemote(t *testing.T, c *connect.Connection, image vmimages.Image) *remoteGuest {
	t.Helper()
	g := &remoteGuest{t: t}
	rand.Read(g.domain.UUID[:])
	g.domain.Name = fmt.Sprintf("ff-stream-%x", g.domain.UUID[:3])
	u := g.domain.UUID
	xml := fmt.Sprintf(`<domain type='qemu'><name>%s</name><uuid>%x-%x-%x-%x-%x</uuid><memory unit='MiB'>96</memory>
<os><type arch='x86_64' machine='q35'>hvm</type><bios useserial='yes'/><kernel>%s</kernel><initrd>%s</initrd>
<cmdline>%s fleetfall.architecture=none fleetfall.mode=normal</cmdline></os>
<features><acpi/></features><on_poweroff>destroy</on_poweroff><on_crash>preserve</on_crash>
<devices><controller type='usb' model='none'/><controller type='virtio-serial'/>
<serial type='pty'/>
<channel type='unix'><target type='virtio' name='%s'/></channel><memballoon model='none'/></devices></domain>`,
		g.domain.Name, u[0:4], u[4:6], u[6:8], u[8:10], u[10:16], image.Kernel, image.Initrd, strings.Join(image.Cmdline, " "), protocol.PortName)
	if err := c.Call(t.Context(), "create", connect.CreateTime, func(l *golibvirt.Libvirt) error {
		_, err := l.DomainCreateXML(xml, golibvirt.DomainStartPaused)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return g
}

// open opens its console and channel.
func (g *remoteGuest) open(c *connect.Connection) {
	g.t.Helper()
	var err error
	if g.console, err = c.OpenConsole(g.t.Context(), g.domain); err != nil {
		g.t.Fatal(err)
	}
	if g.channel, err = c.OpenChannel(g.t.Context(), g.domain, protocol.PortName); err != nil {
		g.t.Fatal(err)
	}
	for _, s := range []net.Conn{g.console, g.channel} {
		g.t.Cleanup(func() { _ = s.Close() })
		if err := s.SetDeadline(time.Now().Add(streamTime)); err != nil {
			g.t.Fatal(err)
		}
	}
	g.lines = protocol.NewLineReader(g.channel, protocol.MaxLine)
}

func (g *remoteGuest) resume(c *connect.Connection) {
	g.t.Helper()
	if err := c.Call(g.t.Context(), "resume", connect.CallTime, func(l *golibvirt.Libvirt) error { return l.DomainResume(g.domain) }); err != nil {
		g.t.Fatal(err)
	}
}

func (g *remoteGuest) destroy(c *connect.Connection) {
	g.t.Helper()
	if err := c.Call(g.t.Context(), "destroy", connect.CreateTime, func(l *golibvirt.Libvirt) error { return l.DomainDestroy(g.domain) }); err != nil {
		g.t.Error(err)
	}
}

// hear reads the guest's next request.
func (g *remoteGuest) hear() protocol.Request {
	g.t.Helper()
	for {
		line, err := g.lines.Next()
		if err != nil {
			g.t.Fatalf("read the channel: %v", err)
		}
		if r, err := protocol.ParseRequest(line); err == nil {
			return r
		}
	}
}

// serve answers requests until one is a fetch, which is answered with content. It says how many there were.
func (g *remoteGuest) serve(content string) (requests int) {
	g.t.Helper()
	for {
		requests++
		r := g.hear()
		g.answer(r, content)
		if r.Fetch != nil {
			return requests
		}
	}
}

// answer answers a request: a fetch with content.
func (g *remoteGuest) answer(r protocol.Request, content string) {
	g.t.Helper()
	reply := protocol.Reply{ID: r.ID, Boot: r.Boot}
	switch {
	case r.Identify != nil:
		reply.Config = &protocol.Config{
			Hostname: "h", Now: time.Now().UnixNano(), Beat: 50 * time.Millisecond, Poll: time.Second, Work: time.Second, Threat: time.Second,
		}
	case r.Hello != nil: // an answer of many frames
		reply.Error = strings.Repeat("long ", 200_000)
	case r.Fetch != nil:
		reply.Content = &protocol.Content{Data: []byte(content)}
	}
	line, err := protocol.AppendLine(nil, reply)
	if err != nil {
		g.t.Fatal(err)
	}
	if n, err := g.channel.Write(line); err != nil || n != len(line) {
		g.t.Fatalf("write %d bytes to the channel: %d, %v", len(line), n, err)
	}
}

// readConsole reads the console up to a flood's end.
func (g *remoteGuest) readConsole() string {
	g.t.Helper()
	var text bytes.Buffer
	buffer := make([]byte, 16<<10)
	for strings.Count(text.String(), "flood ") < 100*200 {
		n, err := g.console.Read(buffer)
		if err != nil {
			g.t.Fatalf("read the console: %v after %d floods and %.200q", err, strings.Count(text.String(), "flood "), text.String())
		}
		text.Write(buffer[:n])
	}
	return text.String()
}

// TestStreams talks with guests through daemons that listen as those of other machines do.
func TestStreams(t *testing.T) {
	_, image := images(t)
	capability.Tools(t, "ssh", "openssh-client")
	d := daemontest.Listen(t)
	server := daemontest.ServeSSH(t)
	ssh := server.URI(filepath.Join(d.Dir, "r/libvirt/libvirt-sock"), server.KnownHosts)
	for name, uri := range map[string]string{"tcp": d.TCP, "tls": d.TLS, "ssh": ssh} {
		t.Run(name, func(t *testing.T) {
			c, err := connect.Open(t.Context(), uri, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer daemontest.End(t, c.Close)
			g := createRemote(t, c, image)
			g.open(c)

			// Both directions wait at once, and a wait that ended can be repeated.
			if err := g.channel.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := g.channel.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read after the deadline: %v", err)
			}
			if err := g.channel.SetReadDeadline(time.Now().Add(streamTime)); err != nil {
				t.Fatal(err)
			}
			g.resume(c)
			if n := g.serve("flood console"); n < 4 {
				t.Errorf("%d requests before content, want identify, hello, beat and fetch", n)
			}

			// Nobody has read the console so far: nothing is lost, and the guest was made to wait.
			if text := g.readConsole(); !strings.Contains(text[:60], "SeaBIOS (version") {
				t.Errorf("the console's beginning is lost: %.200q", text)
			}
			g.serve("nothing")

			// What does not exist is named.
			var answer golibvirt.Error
			if s, err := c.OpenChannel(t.Context(), g.domain, "org.fleetfall.none"); err == nil || !errors.As(err, &answer) || connect.IsLost(err) {
				t.Errorf("a channel that does not exist: %v, %v", s, err)
			}
			if s, err := c.OpenConsole(t.Context(), golibvirt.Domain{Name: "none"}); !connect.IsGone(err) {
				t.Errorf("a domain that does not exist: %v, %v", s, err)
			}

			// Whoever opens it again has it.
			old := g.channel
			if g.channel, err = c.OpenChannel(t.Context(), g.domain, protocol.PortName); err != nil {
				t.Fatal(err)
			}
			defer g.channel.Close()
			g.lines = protocol.NewLineReader(g.channel, protocol.MaxLine)
			if rest, err := io.Copy(io.Discard, old); err != nil && !strings.Contains(err.Error(), "the daemon ended the stream") {
				t.Errorf("the channel that was taken over: %d bytes, %v", rest, err)
			}
			g.destroy(c)
			for name, s := range map[string]net.Conn{"console": g.console, "channel": g.channel} {
				// A QEMU that ends with something unread resets its socket, which the daemon then says.
				if _, err := io.Copy(io.Discard, s); err != nil && !strings.Contains(err.Error(), "the daemon ended the stream") {
					t.Errorf("%s of a VM that ended: %v, want its end", name, err)
				}
			}
		})
	}
}

// TestLockedConsole has a killed daemon's lock on the console's terminal, whose number another process has got.
func TestLockedConsole(t *testing.T) {
	_, image := images(t)
	d := daemontest.Listen(t)
	c, err := connect.Open(t.Context(), d.TCP, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer daemontest.End(t, c.Close)
	g := createRemote(t, c, image)
	var xml string
	if err := c.Call(t.Context(), "look at the domain", connect.CallTime, func(l *golibvirt.Libvirt) (err error) {
		xml, err = l.DomainGetXMLDesc(g.domain, 0)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	terminal := regexp.MustCompile(`/dev/pts/(\d+)`).FindStringSubmatch(xml)
	if terminal == nil {
		t.Fatalf("no terminal in %s", xml)
	}
	lock := filepath.Join(daemontest.LocksDir, "LCK.._pts_"+terminal[1])
	// The number counts as taken where the daemon may end that process, such as itself; a file that it may not remove
	// always does.
	for name, account := range map[string]account.Account{"this user's": d.Account, "another user's": {}} {
		if err := os.WriteFile(lock, fmt.Appendf(nil, "%10d\n", d.Cmd.Process.Pid), 0o644); err != nil {
			t.Fatal(err)
		}
		daemontest.Own(t, account, lock)
		_, err := c.OpenConsole(t.Context(), g.domain)
		if err == nil || !strings.Contains(err.Error(), "remove it on that machine") || !strings.Contains(err.Error(), lock) {
			t.Errorf("%s lock: %v", name, err)
		}
		if err := os.Remove(lock); err != nil {
			t.Fatal(err)
		}
	}
	g.open(c)
	g.destroy(c)
}

// TestDaemonRestart has the daemon die: everything that was open says so, and the VM is found and spoken with again.
func TestDaemonRestart(t *testing.T) {
	_, image := images(t)
	d := daemontest.Listen(t)
	c, err := connect.Open(t.Context(), d.TCP, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	g := createRemote(t, c, image)
	g.open(c)
	g.resume(c)
	g.serve("nothing")
	asked := g.hear()

	d.Kill()
	<-c.Lost()
	for range c.Events { // closed, or the test hangs
	}
	for name, s := range map[string]net.Conn{"console": g.console, "channel": g.channel} {
		if _, err := io.Copy(io.Discard, s); !connect.IsLost(err) {
			t.Errorf("read %s after the daemon died: %v", name, err)
		}
	}
	err = c.Call(t.Context(), "ask", connect.CallTime, func(l *golibvirt.Libvirt) error { _, err := l.ConnectGetLibVersion(); return err })
	if !connect.IsLost(err) {
		t.Errorf("a call after the daemon died: %v", err)
	}
	if _, err := c.OpenConsole(t.Context(), g.domain); !connect.IsLost(err) {
		t.Errorf("open a console after the daemon died: %v", err)
	}
	daemontest.End(t, c.Close)

	d.Start(t)
	if c, err = connect.Open(t.Context(), d.TCP, "", nil); err != nil {
		t.Fatal(err)
	}
	defer daemontest.End(t, c.Close)
	g.open(c)
	g.answer(asked, "nothing")

	// The first of the floods may be lost, see openConsole.
	speaks := make(chan struct{})
	go func() {
		console := bufio.NewScanner(g.console)
		for said := false; console.Scan(); said = true { // on, or the guest would be made to wait
			if !said {
				close(speaks)
			}
		}
	}()
	for spoken := false; !spoken; {
		g.serve("flood console")
		select {
		case <-speaks:
			spoken = true
		default:
		}
	}
	g.destroy(c)
}
