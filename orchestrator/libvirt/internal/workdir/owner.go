package workdir

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/fleetfall/fleetfall/internal/process"
)

const (
	OwnerFile = "owner.json"
	newPrefix = ".new-" // see freshName
)

var runID = regexp.MustCompile(`^[a-z0-9]{6,16}$`)

// ValidRunID tells whether a run may be called so: by 6 to 16 lower-case letters and digits.
func ValidRunID(id string) bool { return runID.MatchString(id) }

// An Owner says whose a work directory is. It is written before the directory gets its name, so that a directory
// without a readable one belongs to nobody.
type Owner struct {
	RunID   string     `json:"run_id"`
	Process process.ID `json:"process"`
	BootID  string     `json:"boot_id"`           // of the machine's kernel
	URI     string     `json:"uri"`               // of the daemon; empty for a private one
	Account int        `json:"account,omitempty"` // user of the private daemon that is this run's alone
	Store   string     `json:"store,omitempty"`   // where that was chosen
	RunDir  string     `json:"run_dir"`
}

// alive tells whether the process that made the work directory still runs.
func (o Owner) alive() bool { return o.BootID == process.MachineBoot() && o.Process.Alive() }

// FreshName is what a run's work directory is called before it has an owner file, and when it has none any more.
func FreshName(p process.ID, runID string) string {
	return fmt.Sprintf("%s%d-%d-%s", newPrefix, p.PID, p.Start, runID)
}

// freshOwner returns the process in such a name.
func freshOwner(name string) (p process.ID, ok bool) {
	n, err := fmt.Sscanf(name, newPrefix+"%d-%d-", &p.PID, &p.Start)
	return p, n == 2 && err == nil
}

// WriteOwner says in a work directory whose it is.
func WriteOwner(dir string, o Owner) error {
	text, err := json.MarshalIndent(o, "", "\t")
	if err != nil {
		return fmt.Errorf("owner file: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, OwnerFile), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("owner file: %w", err)
	}
	return nil
}

// ReadOwner reads whose a work directory is; an error means that it belongs to nobody.
func ReadOwner(dir string) (Owner, error) {
	text, err := os.ReadFile(filepath.Join(dir, OwnerFile))
	if err != nil {
		return Owner{}, err
	}
	var o Owner
	if err := json.Unmarshal(text, &o); err != nil {
		return Owner{}, fmt.Errorf("%s: %w", filepath.Join(dir, OwnerFile), err)
	}
	if o.Process.PID <= 0 || o.BootID == "" {
		return Owner{}, fmt.Errorf("%s names no process", filepath.Join(dir, OwnerFile))
	}
	return o, nil
}
