package libvirt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

func openThere(context.Context, *Hypervisor) (place, error) { return nil, errors.New("not yet") }

func sealOf(data []byte) fileSeal {
	sum := sha256.Sum256(data)
	return fileSeal{int64(len(data)), hex.EncodeToString(sum[:])}
}
