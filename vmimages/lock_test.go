package vmimages

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fleetfall/fleetfall/agents"
)

// fakeBuild publishes a build of made-up files, used at a time, and returns its directory.
func fakeBuild(t *testing.T, cache, name, input string, used time.Time) string {
	t.Helper()
	inputs := map[string]string{"input": input}
	dir := filepath.Join(cache, "images", name, digestOf(inputs)[:digestLetter])
	if err := makeDir(dir); err != nil {
		t.Fatal(err)
	}
	for _, file := range artefactFiles() {
		if err := writeFile(filepath.Join(dir, file), []byte(file+" of "+input)); err != nil {
			t.Fatal(err)
		}
	}
	artefacts, err := lockArtefacts(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = writeLock(dir, Lock{Schema: lockSchema, Name: name, Digest: digestOf(inputs), Inputs: inputs, Artefacts: artefacts})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(dir, used, used); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFindAndList(t *testing.T) {
	cache := t.TempDir()
	if _, err := Find(cache, "tiny"); !errors.Is(err, errNotBuilt) || !strings.Contains(err.Error(), "run `fleetfall image build tiny`") {
		t.Errorf("empty cache: error %v", err)
	}
	if images, err := List(filepath.Join(cache, "none")); err != nil || len(images) != 0 {
		t.Errorf("no cache: %v, %v", images, err)
	}
	if _, err := Find(cache, "../tiny"); err == nil || errors.Is(err, errNotBuilt) {
		t.Errorf("a path as a name: error %v", err)
	}
	at := time.Unix(1e9, 0)
	old := fakeBuild(t, cache, "tiny", "old", at)
	newest := fakeBuild(t, cache, "tiny", "new", at.Add(time.Second))
	fakeBuild(t, cache, "other", "x", at)
	// None of these is a whole build.
	if err := makeDir(filepath.Join(cache, "images", "tiny", tempPrefix+"1")); err != nil {
		t.Fatal(err)
	}
	if err := makeDir(filepath.Join(cache, "images", "tiny", "0123456789ab")); err != nil {
		t.Fatal(err)
	}
	img, err := Find(cache, "tiny")
	if err != nil || filepath.Dir(img.Kernel) != newest {
		t.Errorf("found %s, error %v; want %s", img.Kernel, err, newest)
	}
	images, err := List(cache)
	if err != nil || len(images) != 3 || images[0].Name != "other" || filepath.Dir(images[2].Disk) != old {
		t.Errorf("list %+v, error %v", images, err)
	}
}

func TestDamageIsDetected(t *testing.T) {
	edit := func(change func(l *Lock)) func(dir string) error {
		return func(dir string) error {
			data, err := os.ReadFile(filepath.Join(dir, lockFile))
			if err != nil {
				return err
			}
			var l Lock
			if err := json.Unmarshal(data, &l); err != nil {
				return err
			}
			change(&l)
			return writeLock(dir, l)
		}
	}
	tests := []struct {
		name   string
		damage func(dir string) error
		opens  bool // Find still takes it for whole
	}{
		{"none", func(string) error { return nil }, true},
		{"truncated disk", func(dir string) error { return os.Truncate(filepath.Join(dir, diskFile), 3) }, false},
		{"no kernel", func(dir string) error { return os.Remove(filepath.Join(dir, kernelFile)) }, false},
		{"another initramfs", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, initrdFile), []byte("initramfs of y"), 0o644)
		}, true},
		{"no lock file", func(dir string) error { return os.Remove(filepath.Join(dir, lockFile)) }, false},
		{"cut lock file", func(dir string) error { return os.Truncate(filepath.Join(dir, lockFile), 100) }, false},
		{"another schema", edit(func(l *Lock) { l.Schema = lockSchema + 1 }), false},
		{"another digest", edit(func(l *Lock) { l.Digest = strings.Repeat("0", 64) }), false},
		{"short digest", edit(func(l *Lock) { l.Digest = "" }), false},
		{"another input", edit(func(l *Lock) { l.Inputs["input"] = "y" }), true},
		{"artefact left out", edit(func(l *Lock) { l.Artefacts = l.Artefacts[1:] }), false},
		{"artefact elsewhere", edit(func(l *Lock) {
			again := l.Artefacts[0]
			again.File = "./" + again.File
			l.Artefacts = append(l.Artefacts, again)
		}), false},
		{"artefact's hash", edit(func(l *Lock) { l.Artefacts[0].SHA256 = strings.Repeat("0", 64) }), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := fakeBuild(t, t.TempDir(), "tiny", "x", time.Unix(1e9, 0))
			if err := tt.damage(dir); err != nil {
				t.Fatal(err)
			}
			img, err := open(dir)
			if (err == nil) != tt.opens {
				t.Fatalf("open: error %v, want it to succeed: %v", err, tt.opens)
			}
			if err != nil {
				return
			}
			if err := verify(img); (err == nil) != (tt.name == "none") {
				t.Errorf("verify: error %v", err)
			}
		})
	}
}

func FuzzParseLock(f *testing.F) {
	dir := filepath.Join(f.TempDir(), "x")
	if err := makeDir(dir); err != nil {
		f.Fatal(err)
	}
	sum := strings.Repeat("0", 64)
	f.Add([]byte(`{"schema":1,"artefacts":[{"file":"kernel","sha256":"` + sum + `"},{"file":"initramfs","sha256":"` + sum +
		`"},{"file":"disk.raw","sha256":"` + sum + `"}]}`))
	f.Add([]byte(`{"schema":1}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := parseLock(data)
		if err != nil {
			return
		}
		for _, a := range l.Artefacts {
			if strings.ContainsRune(a.File, '/') || a.Size < 0 {
				t.Errorf("accepted artefact %+v", a)
			}
		}
	})
}

// Hosts are refused for what their image's kernel lacks, by the names that people know, and for all of it at once.
func TestCanRun(t *testing.T) {
	lock := Lock{
		Name: "tiny", KernelRelease: "6.1.0-x",
		KernelConfig: map[string]string{"CONFIG_A": "n", "CONFIG_B": "y", "CONFIG_C": "m"},
		Needs: map[string]map[string]string{
			"ebpf": {"CONFIG_A": "BTF", "CONFIG_B": "BPF LSM", "CONFIG_C": "BPF's compiler"},
			"user": {"CONFIG_B": "fanotify permission events"},
		},
	}
	const want = `image tiny cannot run hosts with architecture "ebpf": its kernel 6.1.0-x lacks BTF (CONFIG_A is "n"), BPF's compiler (CONFIG_C is "m")`
	if err := lock.CanRun("ebpf"); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	for _, architecture := range []string{"user", "none", "kernel"} {
		if err := lock.CanRun(architecture); err != nil {
			t.Errorf("%s: %v", architecture, err)
		}
	}
}

// A security module that is compiled in has to be switched on too: by the kernel's own list, or the command line's in
// its place.
func TestCanRunSecurityModules(t *testing.T) {
	const can = ""
	for _, c := range []struct {
		config  string
		cmdline []string
		want    string // in the error
	}{
		{`"lockdown,yama,bpf"`, []string{"quiet"}, can},
		{`"lockdown,bpfilter"`, nil, `lacks bpf among its security modules (CONFIG_LSM is "lockdown,bpfilter")`},
		{"n", nil, `(CONFIG_LSM is "n")`},
		{`"lockdown"`, []string{"lsm=yama", "lsm=yama,bpf"}, can},
		{`"lockdown,bpf"`, []string{"lsm=yama"}, `(its command line says "lsm=yama")`},
	} {
		lock := Lock{
			Cmdline: c.cmdline, KernelConfig: map[string]string{"CONFIG_LSM": c.config},
			Needs: map[string]map[string]string{"ebpf": {"lsm=bpf": "bpf among its security modules"}},
		}
		if err := lock.CanRun("ebpf"); (err == nil) != (c.want == can) || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, %q: %v, want %q", c.config, c.cmdline, err, c.want)
		}
	}
}

// What tiny's recipe says that architectures need is in its lock with what its kernel has of it.
func TestNeedsAreRecorded(t *testing.T) {
	sources, err := sourceFiles(agents.Sources())
	if err != nil {
		t.Fatal(err)
	}
	r, err := loadRecipe(recipeFiles, "tiny", guestPrograms(sources))
	if err != nil {
		t.Fatal(err)
	}
	facts, err := configFacts(kernelRecipe{Needs: r.Kernel.Needs}, map[string]string{"CONFIG_BPF_LSM": "y"})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := r.Kernel.Needs["ebpf"]["lsm=bpf"]; !ok || facts["CONFIG_LSM"] != "n" {
		t.Errorf("that bpf is switched on is needed: %v; CONFIG_LSM %q", ok, facts["CONFIG_LSM"])
	}
	if facts["CONFIG_BPF_LSM"] != "y" || facts["CONFIG_DEBUG_INFO_BTF"] != "n" || facts["CONFIG_FANOTIFY_ACCESS_PERMISSIONS"] != "n" {
		t.Errorf("recorded %v", facts)
	}
}
