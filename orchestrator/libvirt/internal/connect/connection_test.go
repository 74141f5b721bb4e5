package connect

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemontest"
)

// TestConnect asks a real daemon for its version on every transport but ssh, which has a test of its own.
func TestConnect(t *testing.T) {
	d := daemontest.Listen(t)
	trusting := strings.Replace(d.TLS, d.PKI, without(t, d.PKI, "cacert.pem")+"&no_verify=1", 1)
	for name, uri := range map[string]string{"unix": d.Unix, "tcp": d.TCP, "tls": d.TLS, "tls, trusting anybody": trusting} {
		t.Run(name, func(t *testing.T) {
			c, err := Open(t.Context(), uri, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := askVersion(t, c); err != nil {
				t.Error(err)
			}
			daemontest.End(t, c.Close)
			daemontest.End(t, c.Close) // again
			select {
			case <-c.Lost():
			default:
				t.Error("a closed connection is not lost")
			}
			if err := askVersion(t, c); !IsLost(err) {
				t.Errorf("a call on a closed connection: %v", err)
			}
		})
	}
}

// A connection that is made anew while its lifeline is being closed ends too, though it was another one that was
// closed then.
func TestCloseWhileReconnecting(t *testing.T) {
	d := daemontest.Listen(t)
	var both [2]*Connection
	for i := range both {
		var err error
		if both[i], err = Open(t.Context(), d.Unix, "", nil); err != nil {
			t.Fatal(err)
		}
		defer daemontest.End(t, both[i].Close)
	}
	l := NewLifeline(both[0], func(ctx context.Context) (*Connection, error) { return Open(ctx, d.Unix, "", nil) }, 0, zerolog.Nop())
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := l.Close(ctx); err != nil {
		t.Error(err)
	}
	l.use(both[1])
	if err := wait(ctx, &l.alive); err != nil {
		t.Error(err)
	}
	select {
	case <-both[1].Lost():
	default:
		t.Error("the second connection is open")
	}
}

func TestConnectErrors(t *testing.T) {
	d := daemontest.Listen(t)
	tls := func(pki string) string { return strings.Replace(d.TLS, d.PKI, pki, 1) }
	stranger := t.TempDir()
	daemontest.Certify(t, account.Account{}, stranger)
	mixed := t.TempDir() // trusts the daemon, who knows nothing of it
	for from, names := range map[string][]string{d.PKI: {"cacert.pem"}, stranger: {"clientcert.pem", "clientkey.pem"}} {
		for _, name := range names {
			copyFile(t, filepath.Join(from, name), filepath.Join(mixed, name))
		}
	}
	for name, v := range map[string]struct{ uri, want string }{
		"a URI that is none":            {"qemu+tcp://m", "want /system or /session"},
		"nobody there":                  {"qemu+tcp://127.0.0.1:" + daemontest.FreePort(t) + "/system", "connection refused"},
		"no socket":                     {"qemu:///system?socket=" + d.Dir + "/none", "no such file"},
		"no certificates":               {tls(filepath.Join(d.Dir, "none")), "cacert.pem: no such file"},
		"a certificate without its key": {tls(without(t, d.PKI, "clientkey.pem")), "the key of our certificate"},
		"an authority we do not trust":  {tls(stranger), "certificate signed by unknown authority"},
		"another name":                  {strings.Replace(d.TLS, "127.0.0.1", "localhost", 1), "wanted to match localhost"},
		"an authority it does not know": {tls(mixed), "the daemon did not take our certificate"},
		"no client certificate":         {tls(without(t, d.PKI, "clientcert.pem")), "the daemon did not take our certificate"},
		"TLS where there is none":       {strings.Replace(d.TCP, "qemu+tcp", "qemu+tls", 1) + "?pkipath=" + d.PKI, "TLS: "},
		"a driver of another mode":      {strings.Replace(d.TCP, "/session", "/system", 1), "/system"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Open(t.Context(), v.uri, "", nil)
			if err == nil {
				daemontest.End(t, c.Close)
			}
			if err == nil || !strings.Contains(err.Error(), v.want) {
				t.Errorf("%s: %v, want an error with %q", v.uri, err, v.want)
			}
		})
	}
}

// TestConnectToStranger connects to who is no libvirt daemon: one that says something short, which the library would
// panic at, one that says something else, and one that hangs up.
func TestConnectToStranger(t *testing.T) {
	for name, says := range map[string]string{"short": "\x00\x00\x00\x04....", "else": "SSH-2.0-OpenSSH_9.2\r\n", "nothing": ""} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				if c, err := l.Accept(); err == nil {
					_, _ = c.Write([]byte(says))
					_ = c.Close()
				}
			}()
			_, err = Open(t.Context(), "qemu+tcp://"+l.Addr().String()+"/system", "", nil)
			if !IsLost(err) || says != "" && !strings.Contains(err.Error(), "no libvirt daemon") {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestVanishedPeer has the daemon's machine fall silent, as one does that lost its power: its kernel answers nothing
// any more.
func TestVanishedPeer(t *testing.T) {
	d := daemontest.Listen(t)
	for name, meanwhile := range map[string]func(*testing.T, *Connection){
		"idle": func(*testing.T, *Connection) {},
		"in a call": func(t *testing.T, c *Connection) {
			if err := askVersion(t, c); err == nil {
				t.Error("a call to nobody was answered")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			uri, vanish := relay(t, d)
			c, err := Open(t.Context(), uri, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer daemontest.End(t, c.Close)
			vanish()
			meanwhile(t, c)
			select {
			case <-c.Lost():
			case <-time.After(25 * time.Second): // 15 are promised; without keepAlive it would be 30
				t.Fatal("not noticed")
			}
			for range c.Events { // closed, or the test hangs
			}
		})
	}
}

// TestCloseHungDaemon closes a connection to a daemon that stands still: that fails, and ends everything all the same.
func TestCloseHungDaemon(t *testing.T) {
	t.Parallel()
	d := daemontest.Listen(t)
	c, err := Open(t.Context(), d.Unix, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Cmd.Process.Signal(unix.SIGSTOP); err != nil { // it is killed in the end
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := c.Close(ctx); err == nil || !strings.Contains(err.Error(), "disconnect from libvirt: no answer") {
		t.Errorf("close: %v", err)
	}
	select {
	case <-c.Lost():
	default:
		t.Error("a connection that was closed by force is not lost")
	}
	for range c.Events { // closed, or the test hangs
	}
}

// relay is a way to a daemon that can be made to vanish: the kernel then drops what it receives from us before it
// looks at it.
func relay(t *testing.T, d *daemontest.Daemon) (uri string, vanish func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ours := make(chan *net.TCPConn, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		daemon, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(d.TCP, "qemu+tcp://"), "/session"))
		if err != nil {
			_ = c.Close()
			return
		}
		t.Cleanup(func() { _, _ = c.Close(), daemon.Close() })
		ours <- c.(*net.TCPConn)
		go func() { _, _ = daemon.(*net.TCPConn).ReadFrom(c) }()
		_, _ = c.(*net.TCPConn).ReadFrom(daemon)
	}()
	return "qemu+tcp://" + l.Addr().String() + "/session", func() {
		raw, err := (<-ours).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		// What the daemon said last has been acknowledged: else the relay goes on saying it, which is a sign of life.
		for unacknowledged := 1; unacknowledged > 0 && err == nil; <-time.After(time.Millisecond) {
			if e := raw.Control(func(fd uintptr) { unacknowledged, err = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) }); e != nil {
				t.Fatal(e)
			}
		}
		drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K}}
		if e := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop[0]})
		}); errors.Join(e, err) != nil {
			t.Fatal(e, err)
		}
	}
}

func TestIsLost(t *testing.T) {
	for want, errs := range map[bool][]error{
		true:  {golibvirt.ErrInterrupted, unix.EINVAL, net.ErrClosed, &net.OpError{Op: "write", Err: unix.EPIPE}, errDisconnected},
		false: {nil, golibvirt.Error{Code: 42}, context.Canceled, context.DeadlineExceeded, os.ErrDeadlineExceeded, errors.New("x")},
	} {
		for _, err := range errs {
			if got := IsLost(lostIfEnded(err)); got != want {
				t.Errorf("%v: lost %v", err, got)
			}
		}
	}
}

func askVersion(t *testing.T, c *Connection) error {
	return c.Call(t.Context(), "ask for the version", CallTime, func(l *golibvirt.Libvirt) error {
		_, err := l.ConnectGetLibVersion()
		return err
	})
}

// without is a copy of a directory of certificates that lacks one.
func without(t *testing.T, dir, name string) string {
	t.Helper()
	copied := t.TempDir()
	for _, n := range []string{"cacert.pem", "clientcert.pem", "clientkey.pem"} {
		if n != name {
			copyFile(t, filepath.Join(dir, n), filepath.Join(copied, n))
		}
	}
	return copied
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
