package experiment

import (
	"errors"
	"testing"

	"github.com/fleetfall/fleetfall/orchestrator"
	"github.com/fleetfall/fleetfall/orchestrator/admission"
	"github.com/fleetfall/fleetfall/orchestrator/backend"
	"github.com/fleetfall/fleetfall/scenarios"
)

const mib = 1 << 20

func planOf(fleets ...scenarios.Fleet) *scenarios.Plan {
	p := &scenarios.Plan{Repeat: 1}
	for _, f := range fleets {
		p.Cells = append(p.Cells, scenarios.Cell{ID: f.Name, Fleet: f})
	}
	return p
}

func TestAdmitOnThisMachine(t *testing.T) {
	modest := scenarios.Fleet{Name: "modest", Architecture: "none", Hosts: 1, Memory: 1 * mib}
	vast := scenarios.Fleet{Name: "vast", Architecture: "none", Hosts: 1, Memory: 1 << 50}
	if d, err := Admit(planOf(modest, modest), Backends()); err != nil || len(d.Cells) != 2 || d.Bytes[""] <= 1*mib {
		t.Errorf("a modest plan: %+v, %v", d, err)
	}
	var refusal *admission.Refusal
	if _, err := Admit(planOf(modest, vast), Backends()); !errors.As(err, &refusal) || len(refusal.Cells()) != 1 || refusal.Cells()[0] != "vast" {
		t.Errorf("a vast plan: %v", err)
	}
	elsewhere := planOf(vast)
	elsewhere.Nodes = []scenarios.Node{{Name: "big", URI: "qemu+tls://big.example.org/system"}}
	if d, err := Admit(elsewhere, Backends()); err != nil || len(d.Cells) != 0 {
		t.Errorf("a plan for another machine: %+v, %v", d, err)
	}
}

func TestNeeds(t *testing.T) {
	p := planOf(scenarios.Fleet{Name: "a", Hosts: 9, Memory: 96 * mib, Waves: true}, scenarios.Fleet{Name: "b", Hosts: 2, Memory: 64 * mib})
	a := admission.Need{Cell: "a", Hosts: 9, Guest: 96 * mib, Overhead: 58 * mib, Disk: 22 * mib, Measured: true, Waves: true}
	b := admission.Need{Cell: "b", Hosts: 2, Guest: 64 * mib, Overhead: 58 * mib, Disk: 22 * mib, Measured: true}
	got := needs(p, func(k backend.Kind) backend.Takes {
		return backend.Takes{Memory: k.MemoryBytes, Overhead: 58 * mib, Disk: 22 * mib, Measured: true}
	})
	if len(got) != 2 || got[0] != a || got[1] != b {
		t.Errorf("a new run: %+v", got)
	}
	a.Parts, b.Parts = 3, 1
	if goOn(got, map[string]int{"a": 3}); got[0] != a || got[1] != b {
		t.Errorf("a resumed run: %+v", got)
	}
	if goOn(got, nil); got[0].Parts != 1 || got[1].Parts != 1 { // it was whole, and stays so
		t.Errorf("a resumed run without waves: %+v", got)
	}
}

// TestWavesAreTheTrials holds what is admitted to what is run.
func TestWavesAreTheTrials(t *testing.T) {
	for hosts := 1; hosts <= 60; hosts++ {
		for parts := 1; parts <= 7; parts++ {
			p := planOf(scenarios.Fleet{Name: "a", Hosts: hosts, Memory: mib})
			waves := map[string]int{"a": parts}
			big := admission.Machine{Available: 1 << 40}
			all := needs(p, func(k backend.Kind) backend.Takes { return backend.Takes{Memory: k.MemoryBytes} })
			goOn(all, waves)
			d, err := admission.Admit(all, []admission.Machine{big}, 0)
			if err != nil {
				t.Fatal(err)
			}
			trials := orchestrator.Trials(p, waves)
			if len(trials) != len(d.Cells[0].Waves) {
				t.Fatalf("%d hosts in %d parts: %d trials, %d waves", hosts, parts, len(trials), len(d.Cells[0].Waves))
			}
			for i, wave := range d.Cells[0].Waves {
				if len(trials[i].Hosts) != len(wave) {
					t.Errorf("%d hosts in %d parts: trial %d has %d hosts, its wave %d", hosts, parts, i, len(trials[i].Hosts), len(wave))
				}
			}
		}
	}
}
