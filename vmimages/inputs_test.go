package vmimages

import (
	"maps"
	"testing"
	"testing/fstest"
)

// A builder with small inputs, a new one each time.
func smallBuilder() (*builder, kernel, []Tool, []Package) {
	b := &builder{
		recipe:  &recipe{Name: "small", source: []byte("recipe")},
		sources: map[string][]byte{"kernel/a.c": []byte("a"), "user/b.c": []byte("b")},
		content: []byte("content"),
	}
	return b, kernel{release: "6.1.0-1"}, []Tool{{"gcc", "12"}}, []Package{{"linux-image", "6.1", "abc"}}
}

func TestDigestChangesWithEveryInput(t *testing.T) {
	digest := func(change func(b *builder, k *kernel, tools []Tool, packages []Package)) string {
		b, k, tools, packages := smallBuilder()
		change(b, &k, tools, packages)
		in, err := b.inputs(k, tools, packages)
		if err != nil {
			t.Fatal(err)
		}
		return digestOf(in)
	}
	none := func(*builder, *kernel, []Tool, []Package) {}
	seen := map[string]string{digest(none): "nothing"}
	if seen[digest(none)] == "" {
		t.Fatal("the digest of the same inputs differs")
	}
	for name, change := range map[string]func(b *builder, k *kernel, tools []Tool, packages []Package){
		"recipe":         func(b *builder, _ *kernel, _ []Tool, _ []Package) { b.recipe.source = []byte("recipe ") },
		"source":         func(b *builder, _ *kernel, _ []Tool, _ []Package) { b.sources["kernel/a.c"] = []byte("A") },
		"source added":   func(b *builder, _ *kernel, _ []Tool, _ []Package) { b.sources["kernel/c.c"] = nil },
		"source removed": func(b *builder, _ *kernel, _ []Tool, _ []Package) { delete(b.sources, "user/b.c") },
		"source renamed": func(b *builder, _ *kernel, _ []Tool, _ []Package) {
			delete(b.sources, "user/b.c")
			b.sources["user/c.c"] = []byte("b")
		},
		"content":         func(b *builder, _ *kernel, _ []Tool, _ []Package) { b.content = []byte("Content") },
		"release":         func(_ *builder, k *kernel, _ []Tool, _ []Package) { k.release = "6.1.0-2" },
		"tool's version":  func(_ *builder, _ *kernel, tools []Tool, _ []Package) { tools[0].Version = "13" },
		"package version": func(_ *builder, _ *kernel, _ []Tool, packages []Package) { packages[0].Version = "6.2" },
		"package file":    func(_ *builder, _ *kernel, _ []Tool, packages []Package) { packages[0].SHA256 = "abd" },
	} {
		d := digest(change)
		if other, ok := seen[d]; ok {
			t.Errorf("the digest is the same with another %s as with another %s", name, other)
		}
		seen[d] = name
	}
	b, k, tools, packages := smallBuilder()
	in, err := b.inputs(k, tools, packages)
	if err != nil {
		t.Fatal(err)
	}
	if in["builder compile.go"] == "" {
		t.Error("the builder's own code is no input")
	}
	changed := maps.Clone(in)
	changed["builder compile.go"] = "another"
	if digestOf(changed) == digestOf(in) {
		t.Error("the digest is the same with another builder")
	}
}

func TestTestsAreNoInput(t *testing.T) {
	files, err := sourceFiles(fstest.MapFS{
		"guest/a.go": {Data: []byte("a")}, "guest/a_test.go": {Data: []byte("t")}, "guest/programs/x.c": {}, "guest/programs/x.h": {},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := files["guest/a_test.go"]; ok || len(files) != 3 {
		t.Errorf("files %v", sortedKeys(files))
	}
	if got := guestPrograms(files); len(got) != 1 || got[0] != "x" {
		t.Errorf("programs %q", got)
	}
}

// TestSources: what somebody has written counts, and not what the machine has.
func TestSources(t *testing.T) {
	sources := func(change func(b *builder, k *kernel, tools []Tool)) string {
		b, k, tools, packages := smallBuilder()
		change(b, &k, tools)
		in, err := b.inputs(k, tools, packages)
		if err != nil {
			t.Fatal(err)
		}
		if now := digestOf(b.written()); (Lock{Inputs: in}).Sources() != now {
			t.Error("a lock's sources are other than those that it was made of")
		}
		return Lock{Inputs: in}.Sources()
	}
	want := sources(func(*builder, *kernel, []Tool) {})
	for name, change := range map[string]func(b *builder, k *kernel, tools []Tool){
		"recipe":  func(b *builder, _ *kernel, _ []Tool) { b.recipe.source = []byte("recipe ") },
		"content": func(b *builder, _ *kernel, _ []Tool) { b.content = []byte("Content") },
		"source":  func(b *builder, _ *kernel, _ []Tool) { b.sources["kernel/a.c"] = []byte("A") },
	} {
		if sources(change) == want {
			t.Errorf("another %s has the same sources", name)
		}
	}
	for name, change := range map[string]func(b *builder, k *kernel, tools []Tool){
		"release": func(_ *builder, k *kernel, _ []Tool) { k.release = "6.1.0-2" },
		"tool":    func(_ *builder, _ *kernel, tools []Tool) { tools[0].Version = "13" },
	} {
		if sources(change) != want {
			t.Errorf("another %s has other sources", name)
		}
	}
}
