package template

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
)

// Notes are a shelf among the files of a machine of which only the daemon is at hand: a template stays there as it
// was made, and a note says which files it is.
type Notes struct {
	files *storage.Remote
	runID string
	kept  map[string]bool // files of this run's that later ones will use
}

// NewNotes are the shelf of a run among these files.
func NewNotes(files *storage.Remote, runID string) *Notes {
	return &Notes{files: files, runID: runID, kept: map[string]bool{}}
}

// Own tells whether a file is one that this run leaves for later ones.
func (s *Notes) Own(name string) bool { return s.kept[name] }

// OfRun tells whether a file is one of a template that a run has made.
func OfRun(name, runID string) bool {
	return strings.HasPrefix(name, "template-") && strings.HasSuffix(strings.TrimSuffix(name, filepath.Ext(name)), "-"+runID)
}

// Name is of their key and the run that makes one: two runs may make one at the same time.
func (s *Notes) Name(key string, _ string) string {
	return "template-" + key + "-" + s.runID
}

// A template that is kept there is written down in a file of this name.
func (s *Notes) noteName(key string) string { return "template-" + key + ".json" }

// A note is what says which files there are a template.
type note struct {
	Kept
	Name string `json:"name"` // of its files, without their suffixes
}

func (s *Notes) Find(ctx context.Context, key, _ string, _ bool) (*Template, error) {
	n, ok, err := s.readNote(ctx, key)
	if err != nil || !ok {
		return nil, err
	}
	t := &Template{
		Kept: n.Kept, RAM: s.files.Path(n.Name + RAMSuffix), Disk: s.files.Path(n.Name + DiskSuffix),
		From: "kept on that machine in " + s.files.Path(s.noteName(key)),
	}
	// What is large stays there, and a copy that is tried shows whether it is of use; its size is looked at.
	if size, ok, err := s.files.Size(ctx, n.Name+RAMSuffix); err != nil || !ok || size != n.Files[RAMFile].Size {
		return nil, errors.Join(err, fmt.Errorf("%s has %d bytes, not %d", t.RAM, size, n.Files[RAMFile].Size))
	}
	if t.State, err = s.files.Read(ctx, n.Name+stateSuffix, MaxState); err != nil {
		return nil, err
	}
	if SealOf(t.State) != n.Files[StateFile] {
		return nil, fmt.Errorf("%s is damaged", s.files.Path(n.Name+stateSuffix))
	}
	return t, nil
}

func (s *Notes) readNote(ctx context.Context, key string) (n note, ok bool, err error) {
	name := s.noteName(key)
	if _, ok, err = s.files.Size(ctx, name); err != nil || !ok {
		return note{}, false, err
	}
	text, err := s.files.Read(ctx, name, maxFile)
	if err == nil {
		n.Kept, err = parse(text, key)
	}
	if err == nil {
		err = json.Unmarshal(text, &n)
	}
	if err == nil && !strings.HasPrefix(n.Name, "template-"+key+"-") {
		err = fmt.Errorf("names files %q", n.Name)
	}
	if err != nil {
		return note{}, false, fmt.Errorf("%s: %w", s.files.Path(name), err)
	}
	return n, true, nil
}

func (s *Notes) Keep(ctx context.Context, t *Template, key string) (string, error) {
	if _, ok, err := s.readNote(ctx, key); err != nil || ok {
		return s.files.Path(s.noteName(key)), err // another run was faster: this one's goes with it
	}
	n := note{Kept: t.Kept, Name: strings.TrimSuffix(filepath.Base(t.RAM), RAMSuffix)}
	size, _, err := s.files.Size(ctx, n.Name+RAMSuffix)
	if err != nil {
		return "", err
	}
	n.Schema, n.Key = Schema, key
	n.Files = map[string]Seal{RAMFile: {Size: size}, StateFile: SealOf(t.State)}
	text, err := json.MarshalIndent(n, "", "\t")
	if err != nil {
		return "", err
	}
	if _, err := s.files.Write(ctx, n.Name+stateSuffix, t.State); err != nil {
		return "", err
	}
	if _, err := s.files.Write(ctx, s.noteName(key), text); err != nil {
		return "", err
	}
	for _, suffix := range []string{RAMSuffix, DiskSuffix, stateSuffix} {
		s.kept[n.Name+suffix] = true
	}
	return s.files.Path(s.noteName(key)), nil
}

func (s *Notes) Discard(ctx context.Context, key string) error {
	n, ok, err := s.readNote(ctx, key)
	if ok {
		for _, suffix := range []string{RAMSuffix, DiskSuffix, stateSuffix} {
			err = errors.Join(err, s.files.Remove(ctx, n.Name+suffix))
		}
	}
	return errors.Join(err, s.files.Remove(ctx, s.noteName(key)))
}
