package connect

import (
	"context"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	golibvirt "github.com/digitalocean/go-libvirt"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/internal/daemonuri"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemontest"
)

// TestTunnel reaches a daemon with the ssh program, through a server that forwards.
func TestTunnel(t *testing.T) {
	d := daemontest.Listen(t)
	capability.Tools(t, "ssh", "openssh-client")
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("SSH_AUTH_SOCK", "")
	server := daemontest.ServeSSH(t)
	socket := filepath.Join(d.Dir, "r/libvirt/libvirt-sock")

	for name, v := range map[string]struct{ uri, want string }{
		"a host key that is not known":  {server.URI(socket, os.DevNull), "Host key verification failed"},
		"no daemon there":               {server.URI(filepath.Join(d.Dir, "none"), server.KnownHosts), "open failed: connect failed"},
		"nobody there":                  {"qemu+ssh://127.0.0.1:" + daemontest.FreePort(t) + "/system", "Connection refused"},
		"a key that it does not let in": {strings.Replace(server.URI(socket, server.KnownHosts), server.KeyFile, daemontest.ServeSSH(t).KeyFile, 1), "Permission denied"},
	} {
		c, err := Open(t.Context(), v.uri, "", nil)
		if err == nil {
			daemontest.End(t, c.Close)
		}
		if err == nil || !strings.Contains(err.Error(), v.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, v.want)
		}
	}
	checkNoTunnel(t)

	c, err := Open(t.Context(), server.URI(socket, server.KnownHosts), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := askVersion(t, c); err != nil {
		t.Error(err)
	}
	if s, err := c.OpenConsole(t.Context(), golibvirt.Domain{Name: "none"}); !IsGone(err) {
		t.Errorf("the console of no domain: %v, %v", s, err)
	}
	daemontest.End(t, c.Close)
	checkNoTunnel(t)

	if c, err = Open(t.Context(), server.URI(socket, server.KnownHosts), "", nil); err != nil {
		t.Fatal(err)
	}
	server.HangUp()
	<-c.Lost()
	if s, err := c.OpenConsole(t.Context(), golibvirt.Domain{Name: "none"}); !IsLost(err) {
		t.Errorf("the console of a host that is not reached: %v, %v", s, err)
	}
	daemontest.End(t, c.Close)
	checkNoTunnel(t)
}

// checkNoTunnel fails when a tunnel has left its directory, which goes last.
func checkNoTunnel(t *testing.T) {
	t.Helper()
	left, err := fs.Glob(os.DirFS(os.TempDir()), "fleetfall-ssh-*")
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// TestTunnelCancelled has the caller lose patience with a server that says nothing.
func TestTunnelCancelled(t *testing.T) {
	capability.Tools(t, "ssh", "openssh-client")
	t.Setenv("TMPDIR", t.TempDir())
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		if c, err := l.Accept(); err == nil {
			defer c.Close()
			cancel()
			_, _ = io.Copy(io.Discard, c)
		}
	}()
	if _, err := Open(ctx, "qemu+ssh://"+l.Addr().String()+"/system", "", nil); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("%v", err)
	}
	checkNoTunnel(t)
}

// Whatever a URI may hold, ssh's command line has the host, and then one command, after its options.
func TestTunnelArgs(t *testing.T) {
	for _, text := range []string{"qemu+ssh://m/system", "qemu+ssh://u@m:7/session?socket=/s&keyfile=/k&known_hosts=/h&no_verify=1"} {
		to, err := daemonuri.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		args := tunnelArgs(to, "/here")
		if rest := args[slices.Index(args, "--")+1:]; len(rest) != 2 || rest[0] != "m" {
			t.Errorf("%q: ssh %q", text, args)
		}
	}
}
