package daemontest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// An SSH lets one key in, runs commands and forwards to sockets, as OpenSSH's does.
type SSH struct {
	Host, port          string
	KeyFile, KnownHosts string
	listener            net.Listener

	mu    sync.Mutex
	conns []net.Conn
}

// ServeSSH starts a server that lets one key in, and ends it with the test.
func ServeSSH(t *testing.T) *SSH {
	t.Helper()
	dir := t.TempDir()
	s := &SSH{KeyFile: filepath.Join(dir, "key"), KnownHosts: filepath.Join(dir, "known")}
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
		if err := os.WriteFile(s.KeyFile, pem.EncodeToMemory(block), 0o600); err != nil { // the client's is the last
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
	if s.Host, s.port, err = net.SplitHostPort(s.listener.Addr().String()); err != nil {
		t.Fatal(err)
	}
	line := knownhosts.Line([]string{s.listener.Addr().String()}, signers[0].PublicKey())
	if err := os.WriteFile(s.KnownHosts, []byte(line+"\n"), 0o600); err != nil {
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
	t.Cleanup(s.HangUp)
	return s
}

// HangUp ends the server and all of its connections.
func (s *SSH) HangUp() {
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

// URI is of a daemon whose socket is at a path.
func (s *SSH) URI(socket, knownHosts string) string {
	return fmt.Sprintf("qemu+ssh://somebody@%s:%s/session?socket=%s&keyfile=%s&known_hosts=%s", s.Host, s.port, socket, s.KeyFile, knownHosts)
}
