package libvirt

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fleetfall/fleetfall/agents/protocol"
)

// A template is a host that was booted to the point before it becomes one in particular: its guest has asked who it is,
// and stands still. Hosts are started as copies of it: they map its memory and own the pages that they write to, and have
// disks of their own. On the wall clock a guest asks at the end of its boot, and a host's first boot is a copy whose disk lies on top
// of the template's. On the virtual clock it asks before it has mounted a disk, and every boot of a host is a copy: see door.go.
type template struct {
	kept  keptTemplate
	state []byte // of the devices, as a copy starts from it
	ram   string // path of the file that holds the guest's memory, in the run's work directory
	disk  string // path of the disk that copies' disks lie on, likewise; empty on the virtual clock
	from  string // where it is from, for people
}

// question is what the guest asked and every copy gets its own answer to.
func (t *template) question() protocol.Request {
	return protocol.Request{ID: t.kept.Question, Identify: &protocol.Identify{}}
}

// files are the paths of a template's files, by their names where it is kept.
func (t *template) files() map[string]string {
	files := map[string]string{ramFile: t.ram}
	if t.disk != "" {
		files[templateDisk] = t.disk
	}
	return files
}

// A Boot is what one boot took, from power-on, on this machine as busy as it was.
type Boot struct {
	FirstByte time.Duration `json:"first_byte_ns"` // to the console's first byte, which is the firmware's
	Asked     time.Duration `json:"asked_ns"`      // to the guest's first request
}

// A door is what a machine that stands there knows, and its copies need to know.
type door struct {
	Asked time.Duration `json:"asked_ns"` // what its clock showed when it first asked
	Holds int           `json:"holds"`    // times that its copies are still to be held

	// Mailbox is a snapshot of its mailbox: it may have been stopped before it read that it is held, or while it was about to ask again.
	Mailbox []byte `json:"mailbox"`
}

// A keptTemplate is what is written down of a template.
type keptTemplate struct {
	Schema   int                 `json:"schema"`
	Key      string              `json:"key"`
	Question uint64              `json:"question"` // ID of the request that the guest waits in, on the wall clock
	Door     door                `json:"door"`     // where it waits, on the virtual clock
	Boot     Boot                `json:"boot"`
	Overhead int64               `json:"overhead"` // see Preparation
	Own      int64               `json:"own"`
	Files    map[string]fileSeal `json:"files"` // by name
}

// A fileSeal is how a file must be to be used.
type fileSeal struct {
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"` // hexadecimal
}

func sealOf(data []byte) fileSeal {
	sum := sha256.Sum256(data)
	return fileSeal{int64(len(data)), hex.EncodeToString(sum[:])}
}

// parseTemplate reads what was written down of the template of this key.
func parseTemplate(text []byte, key string) (keptTemplate, error) {
	var k keptTemplate
	if err := json.Unmarshal(text, &k); err != nil {
		return keptTemplate{}, fmt.Errorf("not a template: %w", err)
	}
	switch {
	case k.Schema != templateSchema:
		return keptTemplate{}, fmt.Errorf("a template of schema %d, this fleetfall reads %d", k.Schema, templateSchema)
	case k.Key != key:
		return keptTemplate{}, fmt.Errorf("template %s in the place of %s", k.Key, key)
	case k.Files[stateFile].Size > maxState:
		return keptTemplate{}, fmt.Errorf("a template with a state of %d bytes", k.Files[stateFile].Size)
	}
	return k, nil
}

// Suffixes of the names of a template's files.
const (
	ramSuffix   = ".ram"
	diskSuffix  = ".qcow2"
	stateSuffix = ".state"
)

// A shelf is where templates are kept for later runs.
type shelf interface {
	// templateName is what the files of a template of this key are called while it is made, without suffixes; domain is the name of
	// the VM that becomes it.
	templateName(key, domain string) string
	// find looks for a template that an earlier run has kept under a key, and names what it copies of it as templateName does; nil
	// when there is none. disk tells whether it has one.
	find(ctx context.Context, key, domain string, disk bool) (*template, error)
	// keep keeps one for later runs, and returns where.
	keep(ctx context.Context, t *template, key string) (where string, err error)
	discard(ctx context.Context, key string) error
}
