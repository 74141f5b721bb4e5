package libvirt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/fleetfall/fleetfall/orchestrator/libvirt/internal/storage"
)

// Notes are a shelf among the files of a machine of which only the daemon is at hand: a template stays there as it was made, and
// a note says which files it is.
type notes struct {
	files *storage.Remote
	runID string
	kept  map[string]bool // files of this run's that later ones will use
}

func newNotes(files *storage.Remote, runID string) *notes {
	return &notes{files: files, runID: runID, kept: map[string]bool{}}
}

// own tells whether a file is one that this run leaves for later ones.
func (s *notes) own(name string) bool { return s.kept[name] }

// runsTemplate tells whether a file is one of a template that a run has made.
func runsTemplate(name, runID string) bool {
	return strings.HasPrefix(name, "template-") && strings.HasSuffix(strings.TrimSuffix(name, filepath.Ext(name)), "-"+runID)
}

// templateName is of their key and the run that makes one: two runs may make one at the same time.
func (s *notes) templateName(key string, _ string) string {
	return "template-" + key + "-" + s.runID
}

// A template that is kept there is written down in a file of this name.
func (s *notes) noteName(key string) string { return "template-" + key + ".json" }

// A note is what says which files there are a template.
type note struct {
	keptTemplate
	Name string `json:"name"` // of its files, without their suffixes
}

func (s *notes) find(ctx context.Context, key, _ string, _ bool) (*template, error) {
	n, ok, err := s.readNote(ctx, key)
	if err != nil || !ok {
		return nil, err
	}
	t := &template{
		kept: n.keptTemplate, ram: s.files.Path(n.Name + ramSuffix), disk: s.files.Path(n.Name + diskSuffix),
		from: "kept on that machine in " + s.files.Path(s.noteName(key)),
	}
	// What is large stays there, and a copy that is tried shows whether it is of use; its size is looked at.
	if size, ok, err := s.files.Size(ctx, n.Name+ramSuffix); err != nil || !ok || size != n.Files[ramFile].Size {
		return nil, errors.Join(err, fmt.Errorf("%s has %d bytes, not %d", t.ram, size, n.Files[ramFile].Size))
	}
	if t.state, err = s.files.Read(ctx, n.Name+stateSuffix, maxState); err != nil {
		return nil, err
	}
	if sealOf(t.state) != n.Files[stateFile] {
		return nil, fmt.Errorf("%s is damaged", s.files.Path(n.Name+stateSuffix))
	}
	return t, nil
}

func (s *notes) readNote(ctx context.Context, key string) (n note, ok bool, err error) {
	name := s.noteName(key)
	if _, ok, err = s.files.Size(ctx, name); err != nil || !ok {
		return note{}, false, err
	}
	text, err := s.files.Read(ctx, name, maxTemplateFile)
	if err == nil {
		n.keptTemplate, err = parseTemplate(text, key)
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

func (s *notes) keep(ctx context.Context, t *template, key string) (string, error) {
	if _, ok, err := s.readNote(ctx, key); err != nil || ok {
		return s.files.Path(s.noteName(key)), err // another run was faster: this one's goes with it
	}
	n := note{keptTemplate: t.kept, Name: strings.TrimSuffix(filepath.Base(t.ram), ramSuffix)}
	size, _, err := s.files.Size(ctx, n.Name+ramSuffix)
	if err != nil {
		return "", err
	}
	n.Schema, n.Key = templateSchema, key
	n.Files = map[string]fileSeal{ramFile: {Size: size}, stateFile: sealOf(t.state)}
	text, err := json.MarshalIndent(n, "", "\t")
	if err != nil {
		return "", err
	}
	if _, err := s.files.Write(ctx, n.Name+stateSuffix, t.state); err != nil {
		return "", err
	}
	if _, err := s.files.Write(ctx, s.noteName(key), text); err != nil {
		return "", err
	}
	for _, suffix := range []string{ramSuffix, diskSuffix, stateSuffix} {
		s.kept[n.Name+suffix] = true
	}
	return s.files.Path(s.noteName(key)), nil
}

func (s *notes) discard(ctx context.Context, key string) error {
	n, ok, err := s.readNote(ctx, key)
	if ok {
		for _, suffix := range []string{ramSuffix, diskSuffix, stateSuffix} {
			err = errors.Join(err, s.files.Remove(ctx, n.Name+suffix))
		}
	}
	return errors.Join(err, s.files.Remove(ctx, s.noteName(key)))
}
