// Package daemontest is a libvirt daemon of a test, reached as one on another machine is.
package daemontest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	golibvirt "github.com/digitalocean/go-libvirt"
	"github.com/digitalocean/go-libvirt/socket/dialers"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/internal/process"
	"github.com/fleetfall/fleetfall/internal/tool"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/daemon"
)

// A Daemon daemon is a libvirtd of a test that listens on a unix socket, on TCP and on TLS, as one on another machine
// does.
type Daemon struct {
	Unix, TCP, TLS string // URIs
	Dir, PKI       string
	Account        account.Account
	Cmd            *exec.Cmd
	exited         chan struct{}
}

// Stranger is an account that no run chooses: nobody for root, and else ourselves.
func Stranger() account.Account {
	if os.Getuid() != 0 {
		return account.Account{}
	}
	return account.Account{UID: 65534, GID: 65534, Other: true}
}

// Own gives a file to an account.
func Own(t *testing.T, a account.Account, path string) {
	t.Helper()
	if a.Other {
		if err := os.Chown(path, a.UID, a.GID); err != nil {
			t.Fatal(err)
		}
	}
}

// Listen starts a daemon, and ends it with the test.
func Listen(t *testing.T) *Daemon {
	t.Helper()
	if testing.Short() {
		t.Skip("starts libvirtd; not in short mode")
	}
	capability.Tools(t, "libvirtd", "libvirt-daemon-system", "qemu-system-x86_64", "qemu-system-x86")
	a := Stranger()
	// As short as sockets' paths must be, and open to the account.
	dir, err := os.MkdirTemp("/var/tmp", "ffl-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		// VMs that a failed test has left outlive the daemon.
		left, err := process.Find(func(args []string) bool {
			return strings.Contains(args[0], "qemu-system") && slices.ContainsFunc(args, func(a string) bool { return strings.Contains(a, dir+"/") })
		})
		for _, p := range left {
			t.Errorf("left: process %d", p.PID)
			err = errors.Join(err, p.End(ctx, time.Second))
		}
		if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	d := &Daemon{Dir: dir, PKI: filepath.Join(dir, "pki"), Account: a}
	for _, sub := range []string{".", "c", "c/libvirt", "h", "r", "pki"} {
		path := filepath.Join(dir, sub)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
		Own(t, a, path)
	}
	Certify(t, a, d.PKI)
	tcp, tls := FreePort(t), FreePort(t)
	conf := fmt.Sprintf(`listen_tcp = 1
listen_tls = 1
listen_addr = "127.0.0.1"
tcp_port = "%s"
tls_port = "%s"
auth_tcp = "none"
auth_tls = "none"
ca_file = "%[3]s/cacert.pem"
cert_file = "%[3]s/servercert.pem"
key_file = "%[3]s/serverkey.pem"
max_client_requests = 5
log_level = 3
`, tcp, tls, d.PKI)
	for path, text := range map[string]string{"c/libvirt/libvirtd.conf": conf, "c/libvirt/qemu.conf": daemon.Files["c/libvirt/qemu.conf"]} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d.Unix = "qemu+unix:///session?socket=" + dir + "/r/libvirt/libvirt-sock"
	d.TCP = "qemu+tcp://127.0.0.1:" + tcp + "/session"
	d.TLS = "qemu+tls://127.0.0.1:" + tls + "/session?pkipath=" + d.PKI
	d.Start(t)
	return d
}

// Start starts the daemon, also after Kill.
func (d *Daemon) Start(t *testing.T) {
	t.Helper()
	program, err := tool.Find("libvirtd")
	if err != nil {
		t.Fatal(err)
	}
	dir := d.Dir
	d.exited = make(chan struct{})
	d.Cmd = exec.Command(program, "--listen", "--config", filepath.Join(dir, "c/libvirt/libvirtd.conf"), "--pid-file", filepath.Join(dir, "r/pid"))
	d.Cmd.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=" + dir + "/h", "TMPDIR=" + dir + "/h",
		"XDG_CONFIG_HOME=" + dir + "/c", "XDG_CACHE_HOME=" + dir + "/h", "XDG_DATA_HOME=" + dir + "/h",
		"XDG_STATE_HOME=" + dir + "/h", "XDG_RUNTIME_DIR=" + dir + "/r",
	}
	d.Cmd.Dir, d.Cmd.SysProcAttr = dir, d.Account.Attributes()
	said := &bytes.Buffer{}
	d.Cmd.Stderr = said
	if err := d.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = d.Cmd.Wait()
		close(d.exited)
	}()
	t.Cleanup(func() {
		d.Kill()
		if t.Failed() {
			t.Logf("libvirtd said: %s", said)
		}
	})
	if err := d.answers(t.Context()); err != nil {
		d.Kill()
		t.Fatalf("%v: %s", err, said)
	}
}

// answers waits until the daemon has answered a client: its sockets exist from then on.
func (d *Daemon) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		client := golibvirt.NewWithDialer(dialers.NewLocal(dialers.WithSocket(filepath.Join(d.Dir, "r/libvirt/libvirt-sock"))))
		err := client.ConnectToURI(golibvirt.QEMUSession)
		if err == nil {
			return client.Disconnect()
		}
		select {
		case <-again.C:
		case <-d.exited:
			return fmt.Errorf("it ended: %w", err)
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		}
	}
}

// Kill ends the daemon without giving it time for a word. Of what it leaves, the locks of terminals go, as they do
// when a machine that failed starts again: here, where the next daemon of a test is on the same machine, a lock would
// be believed as soon as another process has got its number.
func (d *Daemon) Kill() {
	_ = d.Cmd.Process.Kill()
	<-d.exited
	locks, _ := filepath.Glob(filepath.Join(LocksDir, "LCK..*"))
	for _, lock := range locks {
		if owner, err := os.ReadFile(lock); err == nil && strings.TrimSpace(string(owner)) == strconv.Itoa(d.Cmd.Process.Pid) {
			_ = os.Remove(lock)
		}
	}
}

// Where libvirt of Debian locks the terminals and sockets that it has open.
const LocksDir = "/var/lock"

// End closes a connection at a test's end, or before it.
func End(t *testing.T, close func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := close(ctx); err != nil {
		t.Errorf("close the connection: %v", err)
	}
}

// FreePort returns a port on which nobody listens. Nobody who dials is given it either, so that it is free as long as
// a test is between two daemons that listen there.
func FreePort(t *testing.T) string {
	t.Helper()
	var dialled int // the first of the ports that those who dial are given
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err == nil {
		_, err = fmt.Sscan(string(text), &dialled)
	}
	const first = 1024 // that takes no privilege
	if err != nil || dialled <= first {
		t.Fatalf("ports that nobody is given: those from %d on are, %v", dialled, err)
	}
	for range 100 {
		port, err := rand.Int(rand.Reader, big.NewInt(int64(dialled-first)))
		if err != nil {
			t.Fatal(err)
		}
		number := strconv.FormatInt(first+port.Int64(), 10)
		if l, err := net.Listen("tcp", "127.0.0.1:"+number); err == nil {
			_ = l.Close()
			return number
		}
	}
	t.Fatal("no port is free")
	return ""
}

// Certify writes an authority, and the certificates and keys of a server at 127.0.0.1 and of a client, as libvirt
// names them.
func Certify(t *testing.T, a account.Account, dir string) {
	t.Helper()
	authority := &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	server := &x509.Certificate{
		Subject: pkix.Name{CommonName: "server"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	client := &x509.Certificate{
		Subject:  pkix.Name{CommonName: "client"},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	var authorityKey *ecdsa.PrivateKey
	for i, c := range []struct {
		*x509.Certificate
		name, key string
	}{{authority, "cacert.pem", "cakey.pem"}, {server, "servercert.pem", "serverkey.pem"}, {client, "clientcert.pem", "clientkey.pem"}} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			authorityKey = key
		}
		c.SerialNumber = big.NewInt(int64(i + 1))
		c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
		certificate, err := x509.CreateCertificate(rand.Reader, c.Certificate, authority, &key.PublicKey, authorityKey)
		if err != nil {
			t.Fatal(err)
		}
		private, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		for name, block := range map[string]*pem.Block{c.name: {Type: "CERTIFICATE", Bytes: certificate}, c.key: {Type: "PRIVATE KEY", Bytes: private}} {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
				t.Fatal(err)
			}
			Own(t, a, path)
		}
	}
}
