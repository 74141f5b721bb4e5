package engine

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/content/contenttest"
	"github.com/fleetfall/fleetfall/internal/capability"
)

// A cInterpreter is a running driver of agents/interpreter, built so that a read that goes astray ends it.
type cInterpreter struct {
	t       *testing.T
	program string
	cmd     *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	said    bytes.Buffer
}

func startC(t *testing.T) *cInterpreter {
	t.Helper()
	capability.Tools(t, "gcc", "gcc")
	const c = "../../interpreter/"
	files, err := filepath.Glob(c + "*.c")
	if err != nil || len(files) == 0 {
		t.Fatalf("no C files of the interpreter: %v", err)
	}
	program := filepath.Join(t.TempDir(), "driver")
	args := append([]string{"-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-I", c, "-I", c + "test/harness",
		"-o", program, c + "test/harness/driver.c"}, files...)
	if out, err := exec.CommandContext(t.Context(), "gcc", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	i := &cInterpreter{t: t, program: program}
	i.start()
	t.Cleanup(func() {
		if err := i.end(); err != nil {
			t.Errorf("the C interpreter ended with %v:\n%s", err, i.said.String())
		}
	})
	return i
}

// start runs the driver and gives it the vendor's key.
func (c *cInterpreter) start() {
	c.t.Helper()
	c.said.Reset()
	c.cmd = exec.Command(c.program)
	c.cmd.Stderr = &c.said
	in, err := c.cmd.StdinPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		c.t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.in, c.out = in, bufio.NewReaderSize(out, 1<<20)
	public, _ := content.TestVendorKey()
	c.ask("key %x", []byte(public))
}

func (c *cInterpreter) end() error {
	c.in.Close()
	return c.cmd.Wait()
}

func (c *cInterpreter) ask(format string, args ...any) string {
	c.t.Helper()
	answer, astray := c.try(format, args...)
	if astray {
		c.t.Fatalf("a read goes astray in C and in Go none does: %.60s", fmt.Sprintf(format, args...))
	}
	return answer
}

// try is ask for what may make a read go astray: AddressSanitizer ends the driver then, and another is started.
func (c *cInterpreter) try(format string, args ...any) (answer string, astray bool) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.in, format+"\n", args...); err != nil {
		c.t.Fatal(err)
	}
	answer, err := c.out.ReadString('\n')
	if err == nil {
		return strings.TrimSuffix(answer, "\n"), false
	}
	if err := c.end(); !strings.Contains(c.said.String(), "AddressSanitizer") {
		c.t.Fatalf("the C interpreter ended with %v:\n%s", err, c.said.String())
	}
	c.start()
	return "", true
}

func (c *cInterpreter) inputs(values []string) {
	c.t.Helper()
	for field := range content.SensorFields {
		value := ""
		if field < len(values) {
			value = values[field]
		}
		c.ask("input %d %s", field, hexed(value))
	}
}

func hexed(b string) string {
	if b == "" {
		return "-"
	}
	return hex.EncodeToString([]byte(b))
}

// Whatever is wrong with a signed file: where nothing is read behind an end, C and Go say the same of it and of an event.
// Where something is, Go says so, and AddressSanitizer of C.
func TestAgreesWithC(t *testing.T) {
	c := startC(t)
	public, private := content.TestVendorKey()
	const n = 2000
	astray, refused, strange := 0, 0, 0
	for seed := range uint64(n) {
		chance := rand.New(rand.NewPCG(seed, 7))
		of := contenttest.Random(seed % 60)
		body := encode(t, of.File)
		for range chance.IntN(4) {
			body = mutate(chance, body)
		}
		if chance.IntN(2) == 0 && len(body) >= headerSize {
			binary.LittleEndian.PutUint32(body[16:], uint32(len(body)-headerSize+chance.IntN(3)*3000))
		}
		file := content.Sign(body, private)
		f, err := Load(file, public)
		if err != nil && strings.HasPrefix(err.Error(), "malformed:") {
			astray++
			if answer, also := c.try("load %s", hexed(string(file))); !also {
				t.Errorf("seed %d: Go says %v, C %.100s", seed, err, answer)
			}
			continue
		}
		answer := c.ask("load %s", hexed(string(file)))
		if err != nil {
			refused++
			if !strings.HasPrefix(answer, "refused ") || !strings.HasSuffix(answer, " "+err.Error()) {
				t.Errorf("seed %d: Go says %v, C %.100s", seed, err, answer)
			}
			continue
		}
		if !strings.HasPrefix(answer, fmt.Sprintf("ok version=%d ", f.Version)) {
			t.Errorf("seed %d: Go loads it, C says %.100s", seed, answer)
			continue
		}
		if _, err := content.Decode(file); err != nil {
			strange++
		}
		c.inputs(of.Inputs)
		v, err := Evaluate(f, of.Template, of.Inputs)
		if err != nil {
			astray++
			if answer, also := c.try("evaluate %d", of.Template); !also {
				t.Errorf("seed %d: Go says %v, C %q", seed, err, answer)
			}
			continue
		}
		if got, want := c.ask("evaluate %d", of.Template), describe(v); !agree(got, want) {
			t.Errorf("seed %d: C says %q, Go %q", seed, got, want)
		}
	}
	t.Logf("of %d files %d were refused, %d loaded that are not of the format, and %d read astray", n, refused, strange, astray)
	if astray < 5 || refused < n/10 || strange < n/100 {
		t.Error("want more of each")
	}
}

// describe is the verdict in the driver's words, the number of matches apart.
func describe(v Verdict) string {
	block := 0
	if v.Block {
		block = 1
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d N", block)
	for _, m := range v.Matches {
		fmt.Fprintf(&b, " %d:%d", m.ID, uint8(m.Action))
	}
	if v.Inspect {
		b.WriteString(" inspect")
	}
	return b.String()
}

func agree(c, described string) bool {
	words := strings.Fields(c)
	if len(words) < 2 {
		return false
	}
	words[1] = "N"
	return strings.Join(words, " ") == described
}

func mutate(chance *rand.Rand, b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	at := chance.IntN(len(b))
	switch chance.IntN(4) {
	case 0:
		return b[:at]
	case 1:
		return append(b[:at:at], b[at+1:]...)
	case 2:
		b[at] = byte(chance.IntN(256))
	default:
		b[at] += byte(chance.IntN(3)) - 1
	}
	return b
}

// The reasons for a refusal, in C's words: one of each kind that a mutation does not come upon.
func TestRefusals(t *testing.T) {
	c := startC(t)
	public, private := content.TestVendorKey()
	good := encode(t, content.Baseline(1))
	set := func(offset int, with ...byte) []byte {
		b := append([]byte{}, good...)
		copy(b[offset:], with)
		return content.Sign(b, private)
	}
	unsigned, err := content.Unsigned(content.Sign(good, private))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		file []byte
		want error
	}{
		{"empty", nil, errTooShort},
		{"no room for a signature", make([]byte, 83), errTooShort},
		{"too long", make([]byte, content.MaxFile+1), errTooLong},
		{"unsigned", unsigned, errSignature},
		{"magic", set(0, 'X'), errMagic},
		{"format", set(4, 2), errFormat},
		{"flags", set(7, 1), errFormat},
		{"17 templates", set(20, 17), errTooMany},
		{"no name", set(24, 0), errTemplate},
		{"no payload", set(16, 0, 0, 0, 0), errLength},
		{"good", set(0, good[0]), nil},
	} {
		if _, err := Load(row.file, public); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
		answer := c.ask("load %s", hexed(string(row.file)))
		if row.want != nil && !strings.HasSuffix(answer, " "+row.want.Error()) || row.want == nil && !strings.HasPrefix(answer, "ok ") {
			t.Errorf("%s: C says %.100s, want %v", row.name, answer, row.want)
		}
	}
}
