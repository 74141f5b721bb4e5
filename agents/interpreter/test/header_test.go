package test

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
)

// Both sides of the contract state the limits, the operators' and actions' numbers and the fields' order.
func TestHeaderAgreesWithContent(t *testing.T) {
	data, err := os.ReadFile("../interpreter.h")
	if err != nil {
		t.Fatal(err)
	}
	header := string(data)
	for name, want := range map[string]int{
		"FF_MAX_FILE":      content.MaxFile,
		"FF_MAX_TEMPLATES": content.MaxTemplates,
		"FF_MAX_FIELDS":    content.MaxFields,
		"FF_MAX_INSTANCES": content.MaxInstances,
		"FF_MAX_NAME":      content.MaxName,
		"FF_MAX_VALUE":     content.MaxValue,
		"FF_INPUTS":        content.SensorFields,
	} {
		if got := defined(t, header, name); got != want {
			t.Errorf("%s is %d in C and %d in Go", name, got, want)
		}
	}

	enum := regexp.MustCompile(`(?s)enum ff_field \{(.*?)\}`).FindStringSubmatch(header)
	if enum == nil {
		t.Fatal("no enum ff_field in interpreter.h")
	}
	var fields []string
	for _, name := range strings.FieldsFunc(enum[1], func(r rune) bool { return strings.ContainsRune(", \t\n", r) }) {
		fields = append(fields, strings.ToLower(strings.TrimPrefix(name, "FF_")))
	}
	if want := content.Fields()[:content.SensorFields]; !slices.Equal(fields, want) {
		t.Errorf("the fields are %q in C and %q in Go", fields, want)
	}
	if n := len(content.Fields()); n != content.SensorFields+1 {
		t.Errorf("the process template declares %d fields, want one more than the %d that sensors supply", n, content.SensorFields)
	}
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
