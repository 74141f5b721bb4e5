package report

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/fleetfall/fleetfall/results"
)

// layouts are the runs whose pages are looked at on a desk, a phone and paper.
func layouts() map[string]*results.Results {
	twins := placed([2]float64{0, 0.7}, [2]float64{0, 0.7}, [2]float64{0.02, 0.69}, [2]float64{1, 0.9})
	for _, metric := range []string{"visibility", "work_latency"} { // whose evidence is folded with few cells as well
		twins.Expectations = append(twins.Expectations, results.Expectation{Name: "the agent works", Cell: twins.Cells[4].ID,
			Metric: metric, Status: results.Missed, Min: ptr(2)})
	}
	return map[string]*results.Results{"outage": outage(), "hundred": hundred(), "pairs": pairs(), "matrix": matrixOfTwelve(),
		"ninety": ninety(), "twins": twins}
}

// TestLayout looks at where things are once a browser has laid them out.
func TestLayout(t *testing.T) {
	browser := startBrowser(t)
	dir := t.TempDir()
	for name, r := range layouts() {
		t.Run(name, func(t *testing.T) {
			tab, cancel := chromedp.NewContext(browser)
			defer cancel()
			open := func(width int64, medium string) {
				openPage(t, tab, filepath.Join(dir, name+".html"), r, width, medium)
			}
			open(1280, "screen")
			checkOrder(t, tab, r)
			checkLandmarks(t, tab)
			checkMarks(t, tab)
			checkNoPraise(t, tab)
			for _, width := range []int64{1280, 800, 700, 390} {
				open(width, "screen")
				checkFigures(t, tab, name, width)
				if width == 1280 || width == 390 {
					checkLinks(t, tab, r, fmt.Sprintf("%s-%d", name, width))
				}
			}
			open(718, "print") // A4 between margins of 1 cm
			checkPaper(t, tab, r)
			printed(t, tab, name+".pdf")
		})
	}
}

// openPage writes r's page and opens it anew: nothing is unfolded, and it is at its top.
func openPage(t *testing.T, tab context.Context, file string, r *results.Results, width int64, medium string) {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	emulate := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: medium})
		return err
	})
	err := chromedp.Do(tab, chromedp.EmulateViewport(width, 900), emulate,
		chromedp.Navigate("about:blank"), chromedp.Navigate("file://"+file))
	if err != nil {
		t.Fatal(err)
	}
}

// checkOrder: what happened comes first, and what only some pages have after it.
func checkOrder(t *testing.T, tab context.Context, r *results.Results) {
	t.Helper()
	ids := evaluate[[]string](t, tab, `[...document.querySelectorAll('main h2')].map(h => h.id)`)
	if len(ids) < 2 || ids[0] != "verdict" || ids[1] != "states" {
		t.Errorf("the page begins with %q, want the verdict and the states over time", ids[:2])
	}
	if i, j := slices.Index(ids, "tradeoff"), slices.Index(ids, "figures"); i >= 0 && i < j {
		t.Errorf("the trade-off comes before the figures: %q", ids)
	}
	said := evaluate[[]string](t, tab, `[...document.querySelectorAll('.verdict .findings li')].map(l => l.innerText)`)
	for _, fleet := range distinct(r.Cells, func(c results.Cell) string { return c.Fleet }) {
		if !slices.ContainsFunc(said, func(s string) bool { return strings.HasPrefix(s, fleet) }) {
			t.Errorf("the verdict does not say what happened to %s: %q", fleet, said)
		}
	}
}

// landmarksScript lists the names of what a screen reader offers to jump to.
const landmarksScript = `(() => {
	document.querySelectorAll('details').forEach(d => d.open = true);
	return [...document.querySelectorAll('section, nav, [role=region]')].map(e => e.getAttribute('aria-label') ||
		(e.getAttribute('aria-labelledby') || '').split(' ').map(id => document.getElementById(id)?.textContent).join(' '));
})()`

func checkLandmarks(t *testing.T, tab context.Context) {
	t.Helper()
	seen := map[string]bool{}
	for _, name := range evaluate[[]string](t, tab, landmarksScript) {
		if name == "" || seen[name] {
			t.Errorf("two landmarks are named %q, or one has no name", name)
		}
		seen[name] = true
	}
}

// checkMarks: no fleet of the trade-off hides another.
func checkMarks(t *testing.T, tab context.Context) {
	t.Helper()
	const script = `(() => {
		const marks = [...document.querySelectorAll('circle.fleet')].map(c =>
			({name: c.textContent, x: c.cx.baseVal.value, y: c.cy.baseVal.value, r: c.r.baseVal.value}));
		const over = (a, b) => Math.hypot(a.x - b.x, a.y - b.y) < a.r + b.r;
		return marks.flatMap((a, i) => marks.slice(0, i).filter(b => over(a, b)).map(b => a.name + ' on ' + b.name));
	})()`
	if over := evaluate[[]string](t, tab, script); len(over) > 0 {
		t.Errorf("marks of the trade-off that overlap: %q", over)
	}
}

// checkNoPraise: nothing about expectations is green, for one that is met need not be good.
func checkNoPraise(t *testing.T, tab context.Context) {
	t.Helper()
	const script = `(() => {
		const badge = document.querySelector('.badge');
		const verdict = document.querySelector('.verdict');
		badge.className = 'badge met'; verdict.className = 'verdict met';
		const green = c => { const [r, g, b] = c.match(/[\d.]+/g).map(Number); return g > r + 30 && g > b + 20; };
		const box = getComputedStyle(verdict);
		return [getComputedStyle(badge).color, box.borderLeftColor, box.backgroundColor].filter(green);
	})()`
	if green := evaluate[[]string](t, tab, script); len(green) > 0 {
		t.Errorf("what was met is green: %q", green)
	}
}

// outsideScript lists what of the expectations and of the tables of figures is not within the window.
const outsideScript = `(() => {
	document.querySelectorAll('.verdict details').forEach(d => d.open = true);
	const outside = e => { const b = e.getBoundingClientRect(); return b.width === 0 || b.left < 0 || b.right > innerWidth + 0.5; };
	const text = e => e.closest('tr').innerText.replace(/\s+/g, ' ').slice(0, 60);
	return {
		expectations: [...document.querySelectorAll('.expectations td.num')].filter(outside).map(text),
		figures: [...document.querySelectorAll('.metrics .v')].filter(v => v.innerText.trim() !== '–').filter(outside).map(text),
		broken: [...document.querySelectorAll('.expectations a')].filter(a => !/[ -]/.test(a.textContent) &&
			a.getClientRects().length > 1).map(text),
		captions: [...document.querySelectorAll('caption, p.caption, figcaption')].filter(e => e.checkVisibility() && outside(e))
			.map(e => e.innerText.slice(0, 60)),
	};
})()`

// checkFigures: an expectation's bound and figure, and on a phone every cell's figures, are there without scrolling
// sideways.
func checkFigures(t *testing.T, tab context.Context, name string, width int64) {
	t.Helper()
	got := evaluate[struct{ Expectations, Figures, Captions, Broken []string }](t, tab, outsideScript)
	if len(got.Expectations) > 0 {
		t.Errorf("%d pixels: %d bounds and figures of expectations are out of sight: %q", width, len(got.Expectations), got.Expectations[0])
	}
	if len(got.Figures) > 0 && width < 768 {
		t.Errorf("%d pixels: %d figures are out of sight: %q", width, len(got.Figures), got.Figures[0])
	}
	if len(got.Broken) > 0 {
		t.Errorf("%d pixels: %d words of expectations are broken: %q", width, len(got.Broken), got.Broken[0])
	}
	if len(got.Captions) > 0 {
		t.Errorf("%d pixels: %d captions are cut off: %q", width, len(got.Captions), got.Captions[0])
	}
	screenshot(t, tab, fmt.Sprintf("%s-%d.png", name, width))
}

// A landing is what shows where a link of a figure or an expectation led.
type landing struct {
	Cell    string // its heading, as far as it shows within the window and nothing covers it
	Shows   bool   // the target, and its beginning is within the window
	Covered bool   // by the heading
	Target  string
}

const landingScript = `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => {
	const target = document.querySelector(':target'), heading = target?.closest('article')?.querySelector('h3');
	if (!heading) { done({Target: location.hash}); return; }
	const h = heading.getBoundingClientRect(), b = target.getBoundingClientRect();
	const over = h.top < 0 || h.bottom > innerHeight ? null : document.elementFromPoint(h.left + 4, (h.top + h.bottom) / 2);
	done({Target: location.hash, Cell: over && heading.contains(over) ? heading.textContent : '',
		Shows: b.height > 0 && b.top >= 0 && b.top < innerHeight,
		Covered: target !== heading && !target.contains(heading) && b.top < h.bottom - 1});
})))`

// checkLinks follows the link of each missed expectation, and of the first and last figure of each matrix.
func checkLinks(t *testing.T, tab context.Context, r *results.Results, shot string) {
	t.Helper()
	type link struct{ Href, Cell string }
	const list = `(() => {
		const missed = [...document.querySelectorAll('.expectations tr.missed')].map(row => [...row.querySelectorAll('a')].map(a =>
			({href: a.getAttribute('href'), cell: row.querySelector('.cell').innerText})));
		const maps = [...document.querySelectorAll('.matrix')].flatMap(m => { const all = [...m.querySelectorAll('td a')];
			return [all[0], all[all.length - 1]].map(a => ({href: a.getAttribute('href'), cell: ''})); });
		return {missed, maps}; })()`
	got := evaluate[struct {
		Missed [][]link
		Maps   []link
	}](t, tab, list)
	links := got.Maps
	missed := 0
	for _, e := range r.Expectations {
		if e.Status == results.Missed {
			missed++
		}
	}
	if len(got.Missed) != missed || slices.ContainsFunc(got.Missed, func(l []link) bool { return len(l) == 0 }) {
		t.Errorf("links of the missed expectations %v, want some for each of %d", got.Missed, missed)
	}
	for _, l := range got.Missed {
		links = append(links, l...)
	}
	const follow = `(document.querySelectorAll('details').forEach(d => d.open = false), location.hash = '#', scrollTo(0, 0),
		document.querySelector('a[href="%s"]').click(), true)`
	for i, l := range links {
		evaluate[bool](t, tab, fmt.Sprintf(follow, l.Href))
		there, err := chromedp.Run(tab, chromedp.Evaluate[landing](landingScript, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		if there.Cell == "" || l.Cell != "" && there.Cell != l.Cell || !there.Shows || there.Covered {
			t.Errorf("%s, link %s of %q: %+v, want the cell's heading and what is below it in sight", shot, l.Href, l.Cell, there)
		}
		if i == len(links)-1 || i == 0 {
			viewShot(t, tab, fmt.Sprintf("%s-link%d.png", shot, i))
		}
	}
}

// checkPaper: what is folded on a screen cannot be unfolded on paper.
func checkPaper(t *testing.T, tab context.Context, r *results.Results) {
	t.Helper()
	const script = `(() => ({
		hidden: [...document.querySelectorAll('svg.chart')].filter(s => !s.checkVisibility({contentVisibilityAuto: true}) ||
			s.getBoundingClientRect().height < 20).map(s => s.querySelector('title').textContent),
		lanes: document.querySelectorAll('.lanes svg').length,
		wide: (document.querySelectorAll('details').forEach(d => d.open = true), [...document.querySelectorAll('svg.chart, table')]
			.filter(e => e.checkVisibility() && e.getBoundingClientRect().right > innerWidth + 1)
			.map(e => e.closest('section').querySelector('h2').innerText + ': ' + e.textContent.slice(0, 40))),
	}))()`
	got := evaluate[struct {
		Hidden, Wide []string
		Lanes        int
	}](t, tab, script)
	if len(got.Hidden) > 0 || got.Lanes != len(r.Cells) {
		t.Errorf("on paper %d charts do not show, such as %q; %d timelines of %d cells", len(got.Hidden),
			got.Hidden[:min(1, len(got.Hidden))], got.Lanes, len(r.Cells))
	}
	if len(got.Wide) > 0 {
		t.Errorf("on paper these are cut off at the right: %q", got.Wide)
	}
}

// printed leaves the page as it prints, where pictures are wanted.
func printed(t *testing.T, tab context.Context, name string) {
	t.Helper()
	dir := os.Getenv("FLEETFALL_SCREENSHOTS")
	if dir == "" {
		return
	}
	pdf, err := chromedp.Run(tab, chromedp.PrintToPDF(chromedp.PDFPaper(chromedp.PaperA4)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), pdf, 0o644); err != nil {
		t.Fatal(err)
	}
}
