package scenarios

import "testing"

// Bounds are in their metric's unit, whichever way they are written.
func TestBounds(t *testing.T) {
	for _, test := range []struct {
		metric, bound string
		want          float64
	}{
		{"blast_radius", "0.5", 0.5},
		{"overhead", "1.5", 1.5},
		{"overhead", "-0.05", -0.05},
		{"crashes", "12", 12},
		{"protection_gap", `"2m"`, 120},
		{"protection_gap", "120", 120},
		{"memory_taken", `"8MiB"`, 8 << 20},
		{"memory_taken", "8388608", 8 << 20},
	} {
		t.Run(test.metric+" "+test.bound, func(t *testing.T) {
			src := `
scenario "s" { deadline = "30m" }
fleet "kernel" {
  architecture = "kernel"
  hosts        = 1
}
update "bad" {
  at    = "30s"
  fault = "field_count"
}
expect "e" {
  metric = "` + test.metric + `"
  max    = ` + test.bound + `
}`
			plan, diags := Load(t.Context(), "x.hcl", []byte(src), Options{})
			if diags.HasErrors() {
				t.Fatal(diags)
			}
			if got := plan.Expect[0].Max; got == nil || *got != test.want {
				t.Errorf("bound %v, want %v", got, test.want)
			}
		})
	}
}
