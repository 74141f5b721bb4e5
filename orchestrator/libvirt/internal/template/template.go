// Package template is what hosts are copies of: a host that was booted once and stands still, its state as copies
// start from it, and the shelves on which it is kept for later runs.
package template

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

// A Template is a host that was booted to the point before it becomes one in particular: its guest has asked who it
// is, and stands still. Hosts are started as copies of it: they map its memory and own the pages that they write to,
// and have disks of their own. On the wall clock a guest asks at the end of its boot, and a host's first boot is a
// copy whose disk lies on top of the template's. On the virtual clock it asks before it has mounted a disk, and every
// boot of a host is a copy: see Door.
type Template struct {
	Kept  Kept
	State []byte // of the devices, as a copy starts from it
	RAM   string // path of the file that holds the guest's memory, in the run's work directory
	Disk  string // path of the disk that copies' disks lie on, likewise; empty on the virtual clock
	From  string // where it is from, for people
}

// Question is what the guest asked and every copy gets its own answer to.
func (t *Template) Question() protocol.Request {
	return protocol.Request{ID: t.Kept.Question, Identify: &protocol.Identify{}}
}

// files are the paths of a template's files, by their names where it is kept.
func (t *Template) files() map[string]string {
	files := map[string]string{RAMFile: t.RAM}
	if t.Disk != "" {
		files[diskFile] = t.Disk
	}
	return files
}

// A Boot is what one boot took, from power-on, on this machine as busy as it was.
type Boot struct {
	FirstByte time.Duration `json:"first_byte_ns"` // to the console's first byte, which is the firmware's
	Asked     time.Duration `json:"asked_ns"`      // to the guest's first request
}

// A Door is what a machine that stands there knows, and its copies need to know.
type Door struct {
	Asked time.Duration `json:"asked_ns"` // what its clock showed when it first asked
	Holds int           `json:"holds"`    // times that its copies are still to be held

	// Mailbox is a snapshot of its mailbox: it may have been stopped before it read that it is held, or while it was
	// about to ask again.
	Mailbox []byte `json:"mailbox"`
}

// A Kept is what is written down of a template.
type Kept struct {
	Schema   int             `json:"schema"`
	Key      string          `json:"key"`
	Question uint64          `json:"question"` // ID of the request that the guest waits in, on the wall clock
	Door     Door            `json:"door"`     // where it waits, on the virtual clock
	Boot     Boot            `json:"boot"`
	Overhead int64           `json:"overhead"` // bytes that QEMU took besides the guest's memory; 0 when not known
	Own      int64           `json:"own"`
	Files    map[string]Seal `json:"files"` // by name
}

// A Seal is how a file must be to be used.
type Seal struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// SealOf is the seal of a file that holds this.
func SealOf(data []byte) Seal {
	sum := sha256.Sum256(data)
	return Seal{int64(len(data)), hex.EncodeToString(sum[:])}
}

// parse reads what was written down of the template of this key.
func parse(text []byte, key string) (Kept, error) {
	var k Kept
	if err := json.Unmarshal(text, &k); err != nil {
		return Kept{}, fmt.Errorf("not a template: %w", err)
	}
	switch {
	case k.Schema != Schema:
		return Kept{}, fmt.Errorf("a template of schema %d, this fleetfall reads %d", k.Schema, Schema)
	case k.Key != key:
		return Kept{}, fmt.Errorf("template %s in the place of %s", k.Key, key)
	case k.Files[StateFile].Size > MaxState:
		return Kept{}, fmt.Errorf("a template with a state of %d bytes", k.Files[StateFile].Size)
	}
	return k, nil
}

// Suffixes of the names of a template's files.
const (
	RAMSuffix   = ".ram"
	DiskSuffix  = ".qcow2"
	stateSuffix = ".state"
)

// A Shelf is where templates are kept for later runs.
type Shelf interface {
	// Name is what the files of a template of this key are called while it is made, without suffixes; domain is the
	// name of the VM that becomes it.
	Name(key, domain string) string
	// Find looks for a template that an earlier run has kept under a key, and names what it copies of it as
	// templateName does; nil when there is none. disk tells whether it has one.
	Find(ctx context.Context, key, domain string, disk bool) (*Template, error)
	// Keep keeps one for later runs, and returns where.
	Keep(ctx context.Context, t *Template, key string) (where string, err error)
	Discard(ctx context.Context, key string) error
}
