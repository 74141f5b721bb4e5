package scenarios

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed *.hcl
var library embed.FS

// Library lists the names of the built-in scenarios, sorted.
func Library() []string {
	entries, err := library.ReadDir(".")
	if err != nil {
		panic(fmt.Sprintf("the embedded library has no root: %v", err)) // the compiler put it there
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".hcl"))
	}
	return names
}

// readSource returns the source of the scenario file at this path or, when name has neither a slash nor the ending
// .hcl, of the library's scenario of this name; and what diagnostics should call it.
func readSource(name string) (filename string, src []byte, err error) {
	if strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, ".hcl") {
		src, err = readBounded(name)
		return name, src, err
	}
	filename = name + ".hcl"
	if src, err = library.ReadFile(filename); err != nil {
		return "", nil, fmt.Errorf("there is no built-in scenario %q, and a file's name ends in .hcl.%s",
			name, hint(name, "built-in scenarios", Library()))
	}
	return filename, src, nil
}
