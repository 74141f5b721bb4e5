package test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/fleetfall/fleetfall/agents/content"
	"github.com/fleetfall/fleetfall/agents/content/contenttest"
)

// Values of each length, against inputs in which one byte differs, or the last is missing, or there is one more.
func testEveryByte(t *testing.T, d *driver) {
	const letters = "0123456789abcdefghijklmnopqrstuvwxyz"
	for n := 1; n <= len(letters); n++ {
		f := content.File{Version: 1, Templates: []content.Template{{ID: 1, Name: "t", Fields: []string{"a", "b"}}}}
		for i, op := range []content.Op{content.Equals, content.Prefix} {
			f.Instances = append(f.Instances, content.Instance{
				ID: uint32(i), TemplateID: 1, Name: "i", Criteria: []content.Criterion{{}, {Op: op, Value: letters[:n]}},
			})
		}
		inputs := []string{letters[:n], letters[:n-1], letters[:n] + "!"}
		for at := range n {
			inputs = append(inputs, letters[:at]+"!"+letters[at+1:n], letters[:at]+"!"+letters[at+1:n]+"more")
		}
		checkInputs(t, d, fmt.Sprintf("%d bytes", n), f, inputs)
	}
}

// Rules that share buckets, and rules of any bucket between them: each event has them all in order. The bytes are the same in what
// buckets go by ('a', 'A' and '!') or not.
func testBuckets(t *testing.T, d *driver) {
	for seed := range uint64(150) {
		chance := rand.New(rand.NewPCG(seed, 291))
		text := func(most int) string {
			var b strings.Builder
			for range chance.IntN(most + 1) {
				b.WriteByte("aA!b"[chance.IntN(4)])
			}
			return b.String()
		}
		f := content.File{Version: 1, Templates: []content.Template{{ID: 1, Name: "t", Fields: []string{"a", "b"}}}}
		for id := range uint32(40) {
			criteria := make([]content.Criterion, 2)
			operators := []content.Op{content.Equals, content.Prefix, content.Prefix, content.Contains, content.Glob}
			criteria[min(chance.IntN(4), 1)] = content.Criterion{Op: operators[chance.IntN(len(operators))], Value: text(3)}
			if chance.IntN(4) == 0 {
				criteria[1] = content.Criterion{Op: content.Prefix, Value: text(2)}
			}
			f.Instances = append(f.Instances, content.Instance{
				ID: id, TemplateID: 1, Action: content.Action(chance.IntN(3)), Name: "i", Criteria: criteria,
			})
		}
		inputs := []string{""}
		for range 10 {
			inputs = append(inputs, text(5))
		}
		checkInputs(t, d, fmt.Sprintf("seed %d", seed), f, inputs)
	}
}

// checkInputs wants the reference's verdicts on events that have one of the inputs in each field.
func checkInputs(t *testing.T, d *driver, name string, f content.File, inputs []string) {
	t.Helper()
	d.ask("load %s", hexed(signed(t, f)))
	for i, input := range inputs {
		event := []string{inputs[(i+1)%len(inputs)], input}
		d.ask("input 0 %s", hexed(event[0]))
		d.ask("input 1 %s", hexed(event[1]))
		if got, want := d.ask("evaluate 1"), describeVerdict(contenttest.Evaluate(f, 1, event)); got != want {
			t.Errorf("%s, %q: verdict %q, want %q", name, event, got, want)
		}
	}
}
