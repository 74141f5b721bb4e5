package experiment

import (
	"strings"
	"testing"
)

func TestLoadIsAShare(t *testing.T) {
	busy, total, err := readCPU()
	if err != nil {
		t.Fatal(err)
	}
	facts := load{busy - 30, total - 100}.facts()
	if len(facts) != 1 || !strings.Contains(facts[0].Value, "% busy") {
		t.Errorf("facts %+v", facts)
	}
	if facts := (load{}).facts(); facts[0].Value != "unknown" {
		t.Errorf("a load that was never started says %+v", facts)
	}
	if m, err := readMemory(); err != nil || m.available <= 0 || m.available > m.total {
		t.Errorf("memory %+v, %v", m, err)
	}
}
