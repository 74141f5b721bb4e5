package libvirt

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	golibvirt "github.com/digitalocean/go-libvirt"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/internal/daemonuri"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemontest"
)

// An sshServer lets one key in, runs commands and forwards to sockets, as OpenSSH's does.
type sshServer struct {
	host, port          string
	keyFile, knownHosts string
	listener            net.Listener

	mu    sync.Mutex
	conns []net.Conn
}

func serveSSH(t *testing.T) *sshServer {
	t.Helper()
	dir := t.TempDir()
	s := &sshServer{keyFile: filepath.Join(dir, "key"), knownHosts: filepath.Join(dir, "known")}
	var signers [2]ssh.Signer // the server's and the client's
	for i := range signers {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if signers[i], err = ssh.NewSignerFromKey(private); err != nil {
			t.Fatal(err)
		}
		block, err := ssh.MarshalPrivateKey(private, "")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(s.keyFile, pem.EncodeToMemory(block), 0o600); err != nil { // the client's is the last
			t.Fatal(err)
		}
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(signers[1].PublicKey().Marshal()) {
			return nil, fmt.Errorf("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(signers[0])
	var err error
	if s.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	if s.host, s.port, err = net.SplitHostPort(s.listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	line := knownhosts.Line([]string{s.listener.Addr().String()}, signers[0].PublicKey())
	if err := os.WriteFile(s.knownHosts, []byte(line+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := s.listener.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns = append(s.conns, c)
			s.mu.Unlock()
			go serveSSHConn(c, config)
		}
	}()
	t.Cleanup(s.hangUp)
	return s
}

// hangUp ends the server and all of its connections.
func (s *sshServer) hangUp() {
	_ = s.listener.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
}

func serveSSHConn(c net.Conn, config *ssh.ServerConfig) {
	_, channels, requests, err := ssh.NewServerConn(c, config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	for ch := range channels {
		switch ch.ChannelType() {
		case "session":
			if channel, requests, err := ch.Accept(); err == nil {
				go serveCommand(channel, requests)
			}
		case "direct-streamlocal@openssh.com":
			var target struct {
				Socket, Reserved string
				Reserved2        uint32
			}
			err := ssh.Unmarshal(ch.ExtraData(), &target)
			var conn net.Conn
			if err == nil {
				conn, err = net.Dial("unix", target.Socket)
			}
			if err != nil {
				_ = ch.Reject(ssh.ConnectionFailed, err.Error())
				continue
			}
			channel, requests, err := ch.Accept()
			if err != nil {
				_ = conn.Close()
				continue
			}
			go ssh.DiscardRequests(requests)
			go func() { _, _ = io.Copy(conn, channel); _ = conn.Close() }()
			go func() { _, _ = io.Copy(channel, conn); _ = channel.Close() }()
		default:
			_ = ch.Reject(ssh.UnknownChannelType, "")
		}
	}
}

func serveCommand(channel ssh.Channel, requests <-chan *ssh.Request) {
	for r := range requests {
		var command struct{ Line string }
		run := r.Type == "exec" && ssh.Unmarshal(r.Payload, &command) == nil
		_ = r.Reply(run, nil)
		if run {
			cmd := exec.Command("sh", "-c", command.Line)
			cmd.Stdin, cmd.Stdout = channel, channel
			_ = cmd.Run()
			_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Code uint32 }{}))
			_ = channel.Close()
		}
	}
}

// uri is of a daemon whose socket is at a path.
func (s *sshServer) uri(socket, knownHosts string) string {
	return fmt.Sprintf("qemu+ssh://somebody@%s:%s/session?socket=%s&keyfile=%s&known_hosts=%s", s.host, s.port, socket, s.keyFile, knownHosts)
}

// TestTunnel reaches a daemon with the ssh program, through a server that forwards.
func TestTunnel(t *testing.T) {
	d := daemontest.Listen(t)
	capability.Tools(t, "ssh", "openssh-client")
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("SSH_AUTH_SOCK", "")
	server := serveSSH(t)
	socket := filepath.Join(d.Dir, "r/libvirt/libvirt-sock")

	for name, v := range map[string]struct{ uri, want string }{
		"a host key that is not known":  {server.uri(socket, os.DevNull), "Host key verification failed"},
		"no daemon there":               {server.uri(filepath.Join(d.Dir, "none"), server.knownHosts), "open failed: connect failed"},
		"nobody there":                  {"qemu+ssh://127.0.0.1:" + daemontest.FreePort(t) + "/system", "Connection refused"},
		"a key that it does not let in": {strings.Replace(server.uri(socket, server.knownHosts), server.keyFile, serveSSH(t).keyFile, 1), "Permission denied"},
	} {
		c, err := connect(t.Context(), v.uri, "", nil)
		if err == nil {
			daemontest.End(t, c.close)
		}
		if err == nil || !strings.Contains(err.Error(), v.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, v.want)
		}
	}
	checkNoTunnel(t)

	c, err := connect(t.Context(), server.uri(socket, server.knownHosts), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := askVersion(t, c); err != nil {
		t.Error(err)
	}
	if s, err := c.openConsole(t.Context(), golibvirt.Domain{Name: "none"}); !isGone(err) {
		t.Errorf("the console of no domain: %v, %v", s, err)
	}
	daemontest.End(t, c.close)
	checkNoTunnel(t)

	if c, err = connect(t.Context(), server.uri(socket, server.knownHosts), "", nil); err != nil {
		t.Fatal(err)
	}
	server.hangUp()
	<-c.lost()
	if s, err := c.openConsole(t.Context(), golibvirt.Domain{Name: "none"}); !isLost(err) {
		t.Errorf("the console of a host that is not reached: %v, %v", s, err)
	}
	daemontest.End(t, c.close)
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
	if _, err := connect(ctx, "qemu+ssh://"+l.Addr().String()+"/system", "", nil); err == nil || !strings.Contains(err.Error(), "canceled") {
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
