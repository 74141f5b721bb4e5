package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/fleetfall/fleetfall/results"
	"github.com/fleetfall/fleetfall/results/measure"
	"github.com/fleetfall/fleetfall/scenarios"
)

// SoFar computes what a journal says up to now that is still written, and writes nothing: what the run's directory has
// besides is the run's to write.
func SoFar(dir string) (*results.Results, error) {
	j, err := results.ReadFile(filepath.Join(dir, results.JournalFile))
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if j.Ending == nil { // else it has ended meanwhile
		j.Status, j.Reason = results.StatusRunning, ""
	}
	return measure.Compute(j), nil
}

// Files computes everything in a run's directory that follows from its journal, and writes it there anew. The same
// journal gives the same bytes.
func Files(dir string) (*results.Results, error) {
	j, err := results.ReadFile(filepath.Join(dir, results.JournalFile))
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	r := measure.Compute(j)
	var encoded, page, summary, provenance bytes.Buffer
	if err := results.Encode(&encoded, r); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if err := HTML(&page, r); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	if err := Markdown(&summary, r); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	indented := json.NewEncoder(&provenance)
	indented.SetEscapeHTML(false)
	indented.SetIndent("", "  ")
	if err := indented.Encode(r.Provenance); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	for _, f := range []struct {
		name string
		data []byte
	}{
		{results.ResultsFile, encoded.Bytes()},
		{results.ReportFile, page.Bytes()},
		{results.SummaryFile, summary.Bytes()},
		{results.ProvenanceFile, provenance.Bytes()},
		{results.ScenarioFile, scenarios.Resolved(j.Plan)},
	} {
		if err := results.WriteFile(dir, f.name, f.data); err != nil {
			return nil, err
		}
	}
	return r, nil
}
