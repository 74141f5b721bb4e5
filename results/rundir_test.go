package results

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestRunDirectory(t *testing.T) {
	t.Chdir(t.TempDir()) // a name that is a path wins, and the checkout has runs of its own
	root := "results"
	at := time.Date(2024, 7, 19, 4, 9, 0, 0, time.UTC)
	first, err := CreateRunDir(root, "outage", "aaaa1111", at)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(root, "runs", "outage-20240719T040900Z-aaaa1111"); first != want {
		t.Errorf("directory %s, want %s", first, want)
	}
	if _, err := CreateRunDir(root, "outage", "aaaa1111", at); !errors.Is(err, os.ErrExist) {
		t.Errorf("the same directory twice: %v", err)
	}
	second, err := CreateRunDir(root, "outage", "bbbb2222", at)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{first, second} {
		if err := WriteFile(dir, JournalFile, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if err := PointLatest(root, dir); err != nil {
			t.Fatal(err)
		}
	}
	replay, err := CreateReplayDir(root, "outage", "dddd4444", at)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(root, "replays", "outage-20240719T040900Z-dddd4444"); replay != want {
		t.Errorf("directory %s, want %s", replay, want)
	}
	if err := WriteFile(replay, JournalFile, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if runs := ListRuns(root); len(runs) != 2 {
		t.Errorf("runs %q: a replay is none", runs)
	}
	for name, want := range map[string]string{
		"dddd4444": replay, filepath.Base(replay): replay, replay: replay,
		"latest": second, "aaaa1111": first, filepath.Base(second): second, first: first, filepath.Join(first, JournalFile): first,
	} {
		got, err := FindRun(root, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		gotReal, err1 := filepath.EvalSymlinks(got)
		wantReal, err2 := filepath.EvalSymlinks(want)
		if err1 != nil || err2 != nil || gotReal != wantReal {
			t.Errorf("%s is found at %s, want %s", name, got, want)
		}
	}
	for _, name := range []string{"cccc3333", "", "."} {
		if got, err := FindRun(root, name); err == nil {
			t.Errorf("%q is found at %s", name, got)
		}
	}
}

func TestWriteFileLeavesNothingHalfMade(t *testing.T) {
	dir := t.TempDir()
	if err := WriteFile(dir, "a", []byte("first")); err != nil {
		t.Fatal(err)
	}
	// The name is a directory with something in it: renaming onto it fails.
	if err := os.MkdirAll(filepath.Join(dir, "b", "c"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(dir, "b", []byte("x")); err == nil {
		t.Error("a file took a directory's place")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v: want a and b alone", entries, err)
	}
}
