package connect

import (
	"context"
	"fmt"

	golibvirt "github.com/digitalocean/go-libvirt"
	"libvirt.org/go/libvirtxml"

	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/account"
)

// Account is whom a daemon that is not ours runs QEMU as; ourselves where it is not reached by a unix socket. A session
// daemon is known by its end of the connection: its QEMUs run as its own user. A system daemon is root, and tells.
func (c *Connection) Account(ctx context.Context) (account.Account, error) {
	peer, err := account.PeerOf(c.link.Conn)
	if err != nil || peer == nil {
		return account.Account{}, err
	}
	uid, gid := int(peer.Uid), int(peer.Gid)
	if uid == 0 {
		if uid, gid, err = c.OwnerOfGuests(ctx); err != nil {
			return account.Account{}, err
		}
	}
	return account.OfDaemon(uid, gid), nil
}

// OwnerOfGuests is the user and group of its machine's that a system daemon runs QEMU as, by its security model "dac".
func (c *Connection) OwnerOfGuests(ctx context.Context) (uid, gid int, err error) {
	var caps libvirtxml.Caps
	err = c.Call(ctx, "ask whom QEMU runs as", CallTime, func(l *golibvirt.Libvirt) error {
		text, err := l.ConnectGetCapabilities()
		if err != nil {
			return err
		}
		return caps.Unmarshal(text)
	})
	if err != nil {
		return 0, 0, err
	}
	for _, model := range caps.Host.SecModel {
		for _, label := range model.Labels {
			if n, err := fmt.Sscanf(label.Value, "+%d:+%d", &uid, &gid); model.Name == "dac" && n == 2 && err == nil {
				return uid, gid, nil
			}
		}
	}
	return 0, 0, &backend.PrerequisiteError{
		What: "the libvirt daemon does not tell whom it runs QEMU as, so that nobody else could be kept from the guests' files",
		How:  "use a private daemon (no --connect), or one whose capabilities name the security model \"dac\"",
	}
}
