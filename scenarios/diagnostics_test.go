package scenarios

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every diagnostic that the package can give must be shown by one of the golden files, so that somebody has read it.
func TestEveryDiagnosticHasAnExample(t *testing.T) {
	var shown strings.Builder
	for _, path := range testdata(t, "testdata/mistakes/*.txt") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(text)
	}
	elsewhere := map[string]bool{ // shown by a test of its own
		"Scenario not found": true, // TestLoadFile
		"File too long":      true, // TestLoadFile
	}
	elsewhereToo := map[string]bool{"Expressions may be nested %d deep. Name parts of this one as locals.": true} // TestHostile
	calls := 0
	for _, path := range testdata(t, "*.go") {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !reports(call) || len(call.Args) < 3 {
				return true
			}
			summary, literal := literalText(call.Args[1])
			detail, literalDetail := literalText(call.Args[2])
			if !literal && !literalDetail {
				return true // passes another call's texts on
			}
			calls++
			if !elsewhere[summary] && !elsewhereToo[detail] && !pattern(summary, detail).MatchString(shown.String()) {
				t.Errorf("%s: no file in testdata/mistakes shows %q: %q", filepath.Base(path), summary, detail)
			}
			return true
		})
	}
	if calls < 50 {
		t.Errorf("found %d calls that report a mistake; has their form changed?", calls)
	}
}

// reports tells whether this is a call of errorf, warnf or fail.
func reports(call *ast.CallExpr) bool {
	switch f := call.Fun.(type) {
	case *ast.Ident:
		return f.Name == "fail"
	case *ast.SelectorExpr:
		return f.Sel.Name == "errorf" || f.Sel.Name == "warnf" || f.Sel.Name == "fail"
	}
	return false
}

// literalText is the text of a string literal, with a verb for each part of a sum that is none.
func literalText(e ast.Expr) (text string, ok bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		x, okX := literalText(e.X)
		y, okY := literalText(e.Y)
		return x + y, okX || okY
	}
	return "%v", false
}

var verb = regexp.MustCompile(`%#?[a-z]`)

// pattern matches a rendered diagnostic with this summary and detail.
func pattern(summary, detail string) *regexp.Regexp {
	loose := func(format string) string {
		return verb.ReplaceAllString(strings.ReplaceAll(regexp.QuoteMeta(format), "%%", "%"), ".*")
	}
	return regexp.MustCompile(`(?m)^(Error|Warning): ` + loose(summary) + `$\n\n(?:  on .*\n(?:.*\n)*?\n)(?:with .*\n\n)?` + loose(detail))
}
