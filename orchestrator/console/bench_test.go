package console

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// corpora are boots in which nothing happens, the fixtures, each as a boot of its own, and the fixtures after such
// boots.
func corpora(t testing.TB) map[string]string {
	const boots = "[    0.000000] Linux version 6.1.0\n"
	all := fixtures(t)
	w := &writer{Rand: rand.New(rand.NewPCG(1, 2))}
	quiet := all["testdata/quiet-real-user.txt"].console + "\n" + strings.Join(quietBoot(w, 500), "\n") + "\n"
	var crashes, both strings.Builder
	for _, file := range slices.Sorted(maps.Keys(all)) {
		crashes.WriteString(boots + all[file].console + "\n")
		both.WriteString(boots + quiet + all[file].console + "\n")
	}
	return map[string]string{"quiet": quiet, "crashes": crashes.String(), "both": both.String()}
}

// A guest decides how much its console prints: reading it must be cheap.
func BenchmarkParse(b *testing.B) {
	for name, text := range corpora(b) {
		b.Run(name, func(b *testing.B) {
			data := []byte(text)
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				parse(data)
			}
		})
	}
}
