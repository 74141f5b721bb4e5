package test

import (
	"crypto/ed25519"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
)

// Both sides of the contract state the limits.
func TestLimitsAgreeWithContent(t *testing.T) {
	header := readHeader(t, "../interpreter.h")
	for name, want := range map[string]int{
		"FF_MAX_FILE":       content.MaxFile,
		"FF_MAX_TEMPLATES":  content.MaxTemplates,
		"FF_MAX_FIELDS":     content.MaxFields,
		"FF_MAX_INSTANCES":  content.MaxInstances,
		"FF_MAX_NAME":       content.MaxName,
		"FF_MAX_VALUE":      content.MaxValue,
		"FF_MAX_DEPTH":      content.MaxDepth,
		"FF_LAST_OP":        int(content.AllOfOp),
		"FF_INPUTS":         content.SensorFields,
		"FF_FILE_INPUTS":    len(content.FileFields()),
		"FF_PROCESS":        int(content.ProcessTemplate),
		"FF_FILE":           int(content.FileTemplate),
		"FF_CHECK_ALL":      allChecks,
		"FF_KEY_SIZE":       ed25519.PublicKeySize,
		"FF_SIGNATURE_SIZE": ed25519.SignatureSize,
	} {
		if got := defined(t, header, name); got != want {
			t.Errorf("%s is %d in C and %d in Go", name, got, want)
		}
	}
	if n := len(content.Fields()); n != content.SensorFields+1 {
		t.Errorf("the process template declares %d fields, want one more than the %d that sensors supply", n, content.SensorFields)
	}
}

// Both sides, and the header of the eBPF agent's programs, number operators, actions and fields alike.
func TestEnumsAgreeWithContent(t *testing.T) {
	for header, enums := range map[string][]string{
		"../interpreter.h":       {"ff_op", "ff_action", "ff_field", "ff_file_field"},
		"../../ebpf/bpf/event.h": {"ff_field", "ff_file_field"},
	} {
		text := readHeader(t, header)
		for _, enum := range enums {
			want := map[string][]string{
				"ff_op":         named(func(n uint8) string { return content.Op(n).String() }),
				"ff_action":     named(func(n uint8) string { return content.Action(n).String() }),
				"ff_field":      content.Fields()[:content.SensorFields],
				"ff_file_field": content.FileFields(),
			}[enum]
			if got := enumerators(t, text, enum); !slices.Equal(got, want) {
				t.Errorf("%s of %s is %q, and %q in Go", enum, header, got, want)
			}
		}
	}
}

func readHeader(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// named returns the names of the numbers from 0 on, as far as they have some: others are called by their number.
func named(name func(uint8) string) []string {
	var names []string
	for n := uint8(0); !strings.Contains(name(n), " "); n++ {
		names = append(names, name(n))
	}
	return names
}

// enumerators returns the names in an enum, in lower case and without what they begin with, in the order of their numbers, which
// have to be those from 0 on.
func enumerators(t *testing.T, header, enum string) []string {
	t.Helper()
	comment := regexp.MustCompile(`(?s)/\*.*?\*/`)
	found := regexp.MustCompile(`(?s)enum ` + enum + ` \{(.*?)\}`).FindStringSubmatch(comment.ReplaceAllString(header, ""))
	if found == nil {
		t.Fatalf("there is no enum %s", enum)
	}
	var names []string
	for entry := range strings.SplitSeq(strings.TrimRight(found[1], ", \t\n"), ",") {
		name, value, isSet := strings.Cut(strings.TrimSpace(entry), " = ")
		if isSet && value != fmt.Sprint(len(names)) {
			t.Errorf("enum %s: %s is %s, want %d", enum, name, value, len(names))
		}
		names = append(names, strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(name, "FF_"), "FILE_")))
	}
	return names
}

// defined returns the value of a macro that is a number or a power of two, as 16u or (1u << 20).
func defined(t *testing.T, header, name string) int {
	t.Helper()
	m := regexp.MustCompile(`#define ` + name + ` (?:(\d+)u|\(1u << (\d+)\))\s`).FindStringSubmatch(header)
	if m == nil {
		t.Fatalf("no #define %s in interpreter.h", name)
	}
	if m[1] == "" {
		shift, _ := strconv.Atoi(m[2])
		return 1 << shift
	}
	n, _ := strconv.Atoi(m[1])
	return n
}
