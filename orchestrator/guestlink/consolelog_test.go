package guestlink

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestConsoleIsBounded(t *testing.T) {
	dir := t.TempDir()
	s, err := OpenConsoleLog(dir, "h1")
	if err != nil {
		t.Fatal(err)
	}
	chunk := []byte(strings.Repeat("0123456789abcde\n", 64<<10))
	for range 12 {
		if _, _, err := s.Take(chunk); err != nil {
			t.Fatal(err)
		}
	}
	reports, _, err := s.Take([]byte("[    1.000000] Kernel panic - not syncing: sysrq triggered crash\n"))
	if err != nil || len(reports) != 1 {
		t.Errorf("a panic after the bound: %v, %v", reports, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "h1", "console.log"))
	if err != nil || len(text) > maxConsole+100 || !strings.HasSuffix(string(text), "no more of it is kept]\n") {
		t.Errorf("%d bytes kept, %v", len(text), err)
	}
}
