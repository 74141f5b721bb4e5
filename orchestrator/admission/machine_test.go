package admission

import (
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestParseMeminfo(t *testing.T) {
	const whole = "MemTotal:       24684096 kB\nMemFree:        22654572 kB\nMemAvailable:   24002860 kB\n"
	for name, c := range map[string]struct {
		text             string
		total, available int64 // 0: an error
	}{
		"whole":                  {whole, 24684096 << 10, 24002860 << 10},
		"no line end":            {strings.TrimSuffix(whole, "\n"), 24684096 << 10, 24002860 << 10},
		"an old kernel":          {"MemTotal: 1 kB\nMemFree: 1 kB\n", 0, 0},
		"another unit":           {strings.ReplaceAll(whole, "kB", "MB"), 0, 0},
		"no unit":                {strings.ReplaceAll(whole, " kB", ""), 0, 0},
		"no number":              {strings.ReplaceAll(whole, "24002860", "much"), 0, 0},
		"negative":               {strings.ReplaceAll(whole, "24002860", "-24002860"), 0, 0},
		"beyond what bytes hold": {strings.ReplaceAll(whole, "24002860", "9223372036854775807"), 0, 0},
		"empty":                  {"", 0, 0},
	} {
		total, available, err := parseMeminfo([]byte(c.text))
		if total != c.total || available != c.available || (err == nil) != (c.total > 0) {
			t.Errorf("%s: %d, %d, %v", name, total, available, err)
		}
	}
}

func TestReserve(t *testing.T) {
	for total, want := range map[int64]int64{2048 * mega: 512 * mega, 10240 * mega: 512 * mega, 40960 * mega: 2048 * mega} {
		if got := Reserve(total); got != want {
			t.Errorf("of %d MiB: %d MiB, want %d", total/mega, got/mega, want/mega)
		}
	}
}

func TestThisMachine(t *testing.T) {
	m, err := ThisMachine()
	if err != nil {
		t.Fatal(err)
	}
	if m.Name != "" || m.Available <= 0 || m.Available > m.Total || m.Reserved != Reserve(m.Total) || m.CPUs != runtime.NumCPU() || m.Files < 64 {
		t.Errorf("%+v", m)
	}
}

// TestOpenFiles looks at what a child gets, because Go gives children the limit from before it raised its own.
func TestOpenFiles(t *testing.T) {
	var hard syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &hard); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// A process with a low soft limit, which says its own and that of a child of its own.
	cmd := exec.Command("sh", "-c", `ulimit -Sn 256; exec "$0"`, self)
	cmd.Env = append(os.Environ(), childEnv+"=files")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	want := strconv.FormatUint(min(hard.Max, enoughFiles), 10)
	if got := strings.Fields(string(out)); len(got) != 2 || got[0] != want || got[1] != want {
		t.Errorf("a process and its child may open %v files, want %s", got, want)
	}
}
