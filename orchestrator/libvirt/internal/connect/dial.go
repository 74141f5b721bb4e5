package connect

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fleetfall/fleetfall/internal/daemonuri"
)

const (
	dialTime = 5 * time.Second // for a connection to be accepted, and for TLS to agree
	tcpPort  = "16509"
	tlsPort  = "16514"
)

// A peer that vanished without a word, as a machine does that lost its power, is noticed within 14 seconds. The
// kernels see to it, not libvirt's own keepalive messages: those are answered by the daemon, and one that is merely
// short of CPU would be taken for dead.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 3 * time.Second, Count: 3}

// unanswered is how long data that was sent may wait to be acknowledged, in ms: keepalive does nothing meanwhile.
const unanswered = 12_000

// impatient ends a connection whose peer has not acknowledged, or not made room for, data within unanswered. It is not
// for streams: a guest may leave what it is told unread.
func impatient(network, _ string, raw syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var err error
	if e := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, unanswered)
	}); e != nil {
		return e
	}
	return err
}

// An endpoint is a way to a daemon on which connections can be made.
type endpoint struct {
	uri    daemonuri.URI
	tunnel *tunnel     // of ssh
	tls    *tls.Config // of tls
}

// newEndpoint prepares what all connections to a daemon share. It is to be closed.
func newEndpoint(ctx context.Context, uri daemonuri.URI, dir string) (*endpoint, error) {
	e := &endpoint{uri: uri}
	var err error
	switch uri.Transport {
	case daemonuri.TLS:
		e.tls, err = tlsConfig(uri)
	case daemonuri.SSH:
		e.tunnel, err = openTunnel(ctx, uri, dir)
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// where is what is dialled, for people.
func (e *endpoint) where() string {
	switch e.uri.Transport {
	case daemonuri.Unix:
		return e.uri.SocketPath()
	case daemonuri.TCP:
		return net.JoinHostPort(e.uri.Host, cmp.Or(e.uri.Port, tcpPort))
	case daemonuri.TLS:
		return net.JoinHostPort(e.uri.Host, cmp.Or(e.uri.Port, tlsPort))
	}
	return e.uri.SocketPath() + " on " + e.uri.Host
}

// A control sets options of a socket before it is connected, see [net.Dialer].
type control func(network, address string, raw syscall.RawConn) error

// dial makes one connection to the daemon, on which nothing has been said yet. set may be nil.
func (e *endpoint) dial(ctx context.Context, set control) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	d := net.Dialer{KeepAliveConfig: keepAlive, Control: set}
	switch e.uri.Transport {
	case daemonuri.Unix:
		return d.DialContext(ctx, "unix", e.where())
	case daemonuri.TCP:
		return d.DialContext(ctx, "tcp", e.where())
	case daemonuri.SSH:
		return d.DialContext(ctx, "unix", e.tunnel.socket)
	}
	raw, err := d.DialContext(ctx, "tcp", e.where())
	if err != nil {
		return nil, err
	}
	conn, err := startTLS(ctx, raw, e.tls)
	if err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return conn, nil
}

// lastWords is what ssh said, for an error.
func (e *endpoint) lastWords() string {
	if e.tunnel == nil {
		return ""
	}
	return e.tunnel.words.String()
}

// close ends what connections share, and so those through ssh. It can be called again.
func (e *endpoint) close() error {
	if e.tunnel == nil {
		return nil
	}
	return e.tunnel.close()
}

// startTLS agrees on TLS, and hears whether the daemon takes our certificate: it then says so with one byte.
func startTLS(ctx context.Context, raw net.Conn, config *tls.Config) (net.Conn, error) {
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, fmt.Errorf("TLS: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })
	var verdict [1]byte
	_, err := conn.Read(verdict[:])
	if !stop() {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("TLS: the daemon did not take our certificate or address: %w", err)
	}
	if verdict[0] != 1 {
		return nil, errors.New("TLS: the daemon did not take our certificate or address")
	}
	return conn, nil
}

// tlsConfig reads the certificates where libvirt has them: in pkipath, else in the user's own directory, else in the
// system's, see https://libvirt.org/kbase/tlscerts.html. A client may do without a certificate of its own, if the
// daemon lets it.
func tlsConfig(uri daemonuri.URI) (*tls.Config, error) {
	authorities, certificates, keys := []string{uri.PKI}, []string{uri.PKI}, []string{uri.PKI}
	if uri.PKI == "" {
		authorities, certificates, keys = nil, nil, nil
		if home, err := os.UserHomeDir(); err == nil {
			own := filepath.Join(home, ".pki/libvirt")
			authorities, certificates, keys = []string{own}, []string{own}, []string{own}
		}
		authorities = append(authorities, "/etc/pki/CA")
		certificates = append(certificates, "/etc/pki/libvirt")
		keys = append(keys, "/etc/pki/libvirt/private")
	}
	config := &tls.Config{ServerName: uri.Host, InsecureSkipVerify: uri.NoVerify}
	authority, where, err := readFirst("cacert.pem", authorities)
	switch {
	case err == nil:
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(authority) {
			return nil, fmt.Errorf("TLS: no certificate in %s", where)
		}
	case !uri.NoVerify || !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("TLS: the certificate authority: %w", err)
	}
	certificate, where, err := readFirst("clientcert.pem", certificates)
	if errors.Is(err, fs.ErrNotExist) {
		return config, nil
	}
	if err != nil {
		return nil, fmt.Errorf("TLS: our certificate: %w", err)
	}
	key, _, err := readFirst("clientkey.pem", keys)
	if err != nil {
		return nil, fmt.Errorf("TLS: the key of our certificate %s: %w", where, err)
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("TLS: our certificate %s: %w", where, err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

// readFirst reads a file from the first directory that has it.
func readFirst(name string, dirs []string) (text []byte, path string, err error) {
	var missing error
	for _, dir := range dirs {
		path = filepath.Join(dir, name)
		text, err = os.ReadFile(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return text, path, err
		}
		missing = errors.Join(missing, err)
	}
	return nil, "", missing
}
