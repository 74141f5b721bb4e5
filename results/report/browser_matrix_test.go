package report

import (
	"context"
	"testing"

	"github.com/fleetfall/fleetfall/results"
)

// matrixScript follows the matrices' links, and looks at what shows at the window's width.
const matrixScript = `(() => {
	const links = [...document.querySelectorAll('.matrix td a')];
	const tables = [...document.querySelectorAll('.matrix')];
	const wrong = [];
	for (const a of links) {
		const row = a.closest('tr').querySelector('th').firstChild.textContent;
		const column = a.closest('table').querySelectorAll('thead th')[a.closest('td').cellIndex].firstChild.textContent;
		const cell = document.querySelector(a.getAttribute('href'))?.closest('article').querySelector('h3');
		if (!cell || !cell.textContent.startsWith(row) || !cell.textContent.includes(column)) wrong.push(row + ' / ' + column);
	}
	const there = links.length > 0 ? (links[links.length - 1].click(), document.querySelector(':target')) : null;
	return {
		tables: tables.length, links: links.length, wrong,
		broken: [...document.querySelectorAll('.matrix thead th')].filter(th => th.firstChild.textContent.split('-').some(word => {
			const probe = document.createElement('span');
			probe.style.cssText = 'position: absolute; white-space: nowrap';
			th.append(probe), probe.textContent = word + '-';
			const style = getComputedStyle(th), room = th.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
			const wide = probe.getBoundingClientRect().width > room + 0.5;
			probe.remove();
			return wide;
		})).map(th => th.firstChild.textContent),
		empty: links.filter(a => !a.textContent.trim()).length,
		unscrolled: tables.filter(t => t.scrollWidth > t.parentElement.clientWidth + 1 &&
			getComputedStyle(t.parentElement).overflowX !== 'auto').length,
		hidden: there !== null && there.getBoundingClientRect().height === 0,
	};
})()`

// checkMatrices looks at the matrices in the window as it is.
func checkMatrices(t *testing.T, tab context.Context, r *results.Results) {
	t.Helper()
	type seen struct {
		Tables, Links, Empty, Unscrolled int
		Wrong, Broken                    []string
		Hidden                           bool
	}
	got := evaluate[seen](t, tab, matrixScript)
	want := matrices(r)
	cells := 0
	for _, m := range want {
		cells += len(m.Rows) * len(m.Updates)
	}
	switch {
	case got.Tables != len(want) || got.Links != cells:
		t.Errorf("%d matrices with %d links, want %d with %d", got.Tables, got.Links, len(want), cells)
	case len(got.Wrong) != 0 || got.Hidden:
		t.Errorf("links of a matrix that lead to another cell: %q; the last leads to what does not show: %t", got.Wrong, got.Hidden)
	case len(got.Broken) != 0:
		t.Errorf("heads of a matrix whose words do not fit: %q", got.Broken)
	case got.Empty != 0:
		t.Errorf("%d figures of a matrix are colour alone", got.Empty)
	case got.Unscrolled != 0:
		t.Errorf("%d matrices are wider than the window, and do not scroll", got.Unscrolled)
	}
}
