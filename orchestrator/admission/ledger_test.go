package admission

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/fleetfall/fleetfall/internal/process"
)

// promise admits whatever others have promised.
func promise(bytes int64) func([]Promise) (int64, error) {
	return func([]Promise) (int64, error) { return bytes, nil }
}

// others tells what a run sees of the others.
func others(t *testing.T, l Ledger) (seen []Promise) {
	t.Helper()
	stop := errors.New("stop")
	err := l.Reserve(t.Context(), "observer", func(others []Promise) (int64, error) {
		seen = others
		return 0, stop
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	return seen
}

func names(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return strings.Join(all, " ")
}

func TestPromiseOfAnotherProcess(t *testing.T) {
	l := Ledger{Dir: filepath.Join(t.TempDir(), "promises")}
	cmd := otherRun(t, l, "other123")
	seen := others(t, l)
	if len(seen) != 1 || seen[0].Run != "other123" || seen[0].Process.PID != cmd.Process.Pid || seen[0].Bytes != childBytes {
		t.Fatalf("seen %+v", seen)
	}
	if used, unused := seen[0].Used, seen[0].unused(); used < childTakes || used > childBytes || unused != childBytes-used {
		t.Errorf("%d MiB used, %d MiB unused, of which %d MiB were taken", used/mega, unused/mega, childTakes/mega)
	}
	if err := l.Reserve(t.Context(), "other123", promise(1)); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("a run of the same ID: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
	if err := l.Collect(t.Context()); err != nil {
		t.Error(err)
	}
	if left := names(t, filepath.Dir(l.Dir)); left != "" {
		t.Errorf("after the run was killed there is left %s", left)
	}
}

func TestReserveAndRelease(t *testing.T) {
	l := Ledger{Dir: filepath.Join(t.TempDir(), "below", "promises")}
	for _, f := range []func() error{
		func() error { return l.Collect(t.Context()) },
		func() error { return l.Release(t.Context(), "nobody") },
	} {
		if err := f(); err != nil || names(t, filepath.Dir(l.Dir)) != "" {
			t.Errorf("where there is nothing: %v, it left %s", err, names(t, filepath.Dir(l.Dir)))
		}
	}
	for _, bytes := range []int64{100, 200} { // the second in the place of the first
		if err := l.Reserve(t.Context(), "first1", promise(bytes)); err != nil {
			t.Fatal(err)
		}
	}
	if seen := others(t, l); len(seen) != 1 || seen[0].Bytes != 200 {
		t.Errorf("seen %+v", seen)
	}
	refused := errors.New("refused")
	err := l.Reserve(t.Context(), "second", func(others []Promise) (int64, error) { return 1, refused })
	if !errors.Is(err, refused) || names(t, l.Dir) != "first1.json lock" {
		t.Errorf("refused: %v, and there is %s", err, names(t, l.Dir))
	}
	for _, run := range []string{"", "../../etc/passwd", "UPPER", strings.Repeat("x", 33)} {
		if l.Reserve(t.Context(), run, promise(1)) == nil || l.Release(t.Context(), run) == nil {
			t.Errorf("run ID %q was accepted", run)
		}
	}
	if err := l.Reserve(t.Context(), "third1", promise(-1)); err == nil {
		t.Error("a promise of less than nothing was accepted")
	}
	for range 2 { // also when there is nothing to release
		if err := l.Release(t.Context(), "first1"); err != nil {
			t.Error(err)
		}
	}
	if left := names(t, filepath.Dir(l.Dir)); left != "" {
		t.Errorf("left %s", left)
	}
}

// TestOneAtATime has runs promise at the same time that would not all fit: no more may be admitted than do.
func TestOneAtATime(t *testing.T) {
	l := Ledger{Dir: filepath.Join(t.TempDir(), "promises")}
	const room, runs = 5, 20
	var wg sync.WaitGroup
	var mu sync.Mutex
	admitted := 0
	for i := range runs {
		wg.Go(func() {
			run := fmt.Sprintf("run%d", i)
			err := l.Reserve(t.Context(), run, func(others []Promise) (int64, error) {
				sum := int64(1)
				for _, p := range others {
					sum += p.Bytes
				}
				if sum > room {
					return 0, errors.New("full")
				}
				return 1, nil
			})
			if err == nil {
				mu.Lock()
				admitted++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if admitted != room {
		t.Errorf("%d runs were admitted, there is room for %d", admitted, room)
	}
	// And the directory comes and goes while others wait for it.
	for i := range runs {
		wg.Go(func() {
			for range 5 {
				run := fmt.Sprintf("run%d", i)
				if err := errors.Join(l.Reserve(t.Context(), run, promise(1)), l.Release(t.Context(), run)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if left := names(t, filepath.Dir(l.Dir)); left != "" {
		t.Errorf("left %s", left)
	}
}

func TestFilesInTheLedger(t *testing.T) {
	l := Ledger{Dir: t.TempDir()}
	if err := os.Chmod(l.Dir, 0o711); err != nil {
		t.Fatal(err)
	}
	self, err := process.LookUp(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	again := process.ID{PID: self.PID, Start: self.Start + 1} // the number was given again
	write := func(name string, text []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(l.Dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, p := range map[string]Promise{
		"living.json":  {Run: "living", Process: self, BootID: process.MachineBoot(), Bytes: 7},
		"reused.json":  {Run: "reused", Process: again, BootID: process.MachineBoot(), Bytes: 7},
		"reboot.json":  {Run: "reboot", Process: self, BootID: "another boot of the machine", Bytes: 7},
		"renamed.json": {Run: "reused", Process: again, BootID: process.MachineBoot(), Bytes: 7},
		"foreign.json": {Run: "foreign", Process: self, BootID: process.MachineBoot(), Bytes: 7},
		"alien.json":   {Run: "alien", Process: again, BootID: process.MachineBoot(), Bytes: 7},
	} {
		text, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		write(name, text)
	}
	write("half.json.new", []byte(`{"run":`))
	write("alien.json.new", []byte(`{"run":`))
	write("damaged.json", []byte(`{"run":"damaged","process":{"pid":`))
	write("empty.json", nil)
	write("README", []byte("not a promise"))
	if err := os.Mkdir(filepath.Join(l.Dir, "folder.json"), 0o700); err != nil {
		t.Fatal(err)
	}
	elsewhere, err := json.Marshal(Promise{Run: "link", Process: self, BootID: process.MachineBoot()})
	if err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := errors.Join(os.WriteFile(outside, elsewhere, 0o600), os.Symlink(outside, filepath.Join(l.Dir, "link.json"))); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(l.Dir, "pipe.json"), 0o600); err != nil {
		t.Fatal(err)
	}
	want, left := "foreign living", "alien.json alien.json.new damaged.json empty.json folder.json foreign.json link.json living.json lock pipe.json renamed.json README"
	if os.Getuid() == 0 {
		for _, name := range []string{"foreign.json", "alien.json", "alien.json.new"} {
			if err := os.Chown(filepath.Join(l.Dir, name), 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
		want = "living"
	} else {
		left = strings.Replace(left, "alien.json alien.json.new ", "", 1) // ours, and dead
	}
	var runs []string
	for _, p := range others(t, l) {
		runs = append(runs, p.Run)
	}
	if got := strings.Join(runs, " "); got != want {
		t.Errorf("promises of %q, want %q", got, want)
	}
	got := strings.Fields(names(t, l.Dir))
	if len(got) != len(strings.Fields(left)) {
		t.Errorf("left\n%s, want\n%s", got, left)
	}
	for _, name := range strings.Fields(left) {
		if _, err := os.Lstat(filepath.Join(l.Dir, name)); err != nil {
			t.Errorf("%v; it is not ours to remove", err)
		}
	}
}

func TestSomebodyElsesLedger(t *testing.T) {
	l := Ledger{Dir: t.TempDir()}
	if err := os.Chmod(l.Dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := l.Reserve(t.Context(), "run123", promise(1)); err == nil || !strings.Contains(err.Error(), "nobody else may write") {
		t.Errorf("a directory that everybody may write in: %v", err)
	}
	l.Dir = filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(t.TempDir(), l.Dir); err != nil {
		t.Fatal(err)
	}
	if err := l.Reserve(t.Context(), "run123", promise(1)); err == nil {
		t.Error("a link in the place of the directory was followed")
	}
}

func FuzzParsePromise(f *testing.F) {
	f.Add([]byte(`{"run":"abcd1234","process":{"pid":12,"start":4242},"boot_id":"6b1f","bytes":1048576}`))
	f.Add([]byte(`{"run":"abcd1234","process":{"pid":12,"start":4242},"boot_id":"6b1f","bytes":-1}`))
	f.Add([]byte(`{"run":"../../x","process":{"pid":12,"start":4242},"boot_id":"6b1f","bytes":1e99}`))
	f.Add([]byte(`{"run":`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePromise(text)
		if err != nil {
			return
		}
		if !validRun.MatchString(p.Run) || p.Process.PID <= 0 || p.Bytes < 0 || p.unused() < 0 {
			t.Errorf("%q gave %+v", text, p)
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if q, err := parsePromise(again); err != nil || q != p {
			t.Errorf("%+v came back as %+v, %v", p, q, err)
		}
	})
}
