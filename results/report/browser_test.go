package report

import (
	"bytes"
	"context"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/fleetfall/fleetfall/internal/capability"
	"github.com/fleetfall/fleetfall/results"
)

// TestBrowser opens pages in a real browser. With FLEETFALL_SCREENSHOTS set to a directory it leaves pictures there.
func TestBrowser(t *testing.T) {
	browser := startBrowser(t)
	dir := t.TempDir()
	for name, r := range fixtures() {
		t.Run(name, func(t *testing.T) {
			tab, cancel := chromedp.NewContext(browser)
			defer cancel()
			checkPage(t, tab, filepath.Join(dir, name), r)
		})
	}
}

// startBrowser is a browser without a window, which ends with the test.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	capability.Tools(t, "chromium", "chromium")
	dir := t.TempDir()
	options := []chromedp.ExecAllocatorOption{chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck,
		chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.ExecPath("chromium"),
		chromedp.UserDataDir(filepath.Join(dir, "profile")), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WSURLReadTimeout(2 * time.Minute), // the machine may be busy
		chromedp.Env("TMPDIR=" + dir),              // what it leaves there goes with dir
	}
	allocator, stop := chromedp.NewExecAllocator(context.WithoutCancel(t.Context()), options...)
	t.Cleanup(stop)
	browser, cancel := chromedp.NewContext(allocator)
	t.Cleanup(cancel)
	if err := chromedp.Do(browser); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return browser
}

// Sentinels that end the streams of what a page says and asks for.
const (
	lastMessage = "end of the check"
	lastRequest = "data:text/plain,end"
)

// consoleUntilEnd is what the page wrote to the console up to a message of ours.
func consoleUntilEnd(t *testing.T, tab context.Context, stream iter.Seq2[chromedp.ConsoleMessage, error]) []string {
	t.Helper()
	if _, err := chromedp.Run(tab, chromedp.Evaluate[bool]("console.log('"+lastMessage+"'), true")); err != nil {
		t.Fatal(err)
	}
	var said []string
	for m, err := range stream {
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(m.String(), lastMessage) {
			break
		}
		said = append(said, m.String())
	}
	return said
}

// requestsUntilEnd is what the page requested up to a request of ours.
func requestsUntilEnd(t *testing.T, tab context.Context, stream iter.Seq2[network.EventRequestWillBeSent, error]) []string {
	t.Helper()
	if err := chromedp.Do(tab, chromedp.Navigate(lastRequest)); err != nil {
		t.Fatal(err)
	}
	var urls []string
	for e, err := range stream {
		if err != nil {
			t.Fatal(err)
		}
		if e.Request.URL == lastRequest {
			break
		}
		urls = append(urls, e.Request.URL)
	}
	return urls
}

func evaluate[T any](t *testing.T, tab context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(tab, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// media sets the preferred colour scheme.
func media(scheme string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	})
}

func checkPage(t *testing.T, tab context.Context, base string, r *results.Results) {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	file := base + ".html"
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	requests := chromedp.Events(tab, network.RequestWillBeSent)
	messages := chromedp.Console(tab)
	watchNetwork := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, network.Enable, network.EnableParams{})
		return err
	})
	if err := chromedp.Do(tab, watchNetwork, chromedp.Navigate("file://"+file)); err != nil {
		t.Fatal(err)
	}
	screens := []struct {
		name   string
		width  int64
		scheme string
	}{{"light", 1280, "light"}, {"dark", 1280, "dark"}, {"tablet", 700, "light"}, {"phone", 360, "light"}}
	backgrounds := map[string]string{}
	for _, s := range screens {
		if err := chromedp.Do(tab, chromedp.EmulateViewport(s.width, 900), media(s.scheme)); err != nil {
			t.Fatal(err)
		}
		overflow := evaluate[int](t, tab, `document.documentElement.scrollWidth`)
		width := evaluate[int](t, tab, `window.innerWidth`)
		low := evaluate[[]string](t, tab, contrastScript)
		if overflow > int(s.width) || width != int(s.width) {
			t.Errorf("%s: the page is %d pixels wide in a window of %d, which reports %d", s.name, overflow, s.width, width)
		}
		if len(low) > 0 {
			t.Errorf("%s: contrast below 4.5: %s", s.name, strings.Join(low, "; "))
		}
		backgrounds[s.name] = evaluate[string](t, tab, `getComputedStyle(document.body).backgroundColor`)
		screenshot(t, tab, filepath.Base(base)+"-"+s.name+".png")
	}
	if backgrounds["light"] == backgrounds["dark"] {
		t.Errorf("the background is %s in light and in dark", backgrounds["light"])
	}
	checkMatrices(t, tab, r)
	checkStructure(t, tab, r)
	if said := consoleUntilEnd(t, tab, messages); len(said) != 0 {
		t.Errorf("the browser's console says %q", said)
	}
	if urls := requestsUntilEnd(t, tab, requests); len(urls) != 1 || urls[0] != "file://"+file {
		t.Errorf("requests %q, want the page alone", urls)
	}
}

// contrastScript lists the kinds of text whose contrast to the background behind them is below 4.5, by WCAG 2.2's
// definition of relative luminance and contrast ratio.
const contrastScript = `(() => {
	const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
	const rgba = c => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1);
		return [...canvas.getImageData(0, 0, 1, 1).data]; };
	const luminance = c => { const [r, g, b] = c.map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const behind = e => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor);
		if (c[3] === 255) return c; } return [255, 255, 255, 255]; };
	const low = new Set();
	const texts = 'h1, h2, h3, p, li, dt, dd, th, td, figcaption, caption, a, summary, pre, code, b, span, svg text';
	for (const e of document.querySelectorAll(texts)) {
		const style = getComputedStyle(e), a = luminance(rgba(e instanceof SVGElement ? style.fill : style.color).slice(0, 3));
		const b = luminance(behind(e).slice(0, 3));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) low.add(e.tagName + '.' + (e.getAttribute('class') || '') + ' ' + ratio.toFixed(2));
	}
	return [...low];
})()`

// structureScript describes what a page consists of with all that was folded open, for checkStructure.
const structureScript = `(() => {
	document.querySelectorAll('details').forEach(d => d.open = true);
	const levels = [...document.querySelectorAll('h1, h2, h3, h4')].map(h => +h.tagName[1]);
	const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
	return {
		scripts: document.scripts.length,
		images: document.querySelectorAll('img, [onload], [onerror]').length,
		mains: document.querySelectorAll('main').length,
		charts: document.querySelectorAll('svg.chart').length,
		unnamed: [...document.querySelectorAll('svg.chart')].filter(s => s.getAttribute('role') !== 'img' ||
			!s.querySelector(':scope > title').textContent || !s.querySelector(':scope > desc').textContent).length,
		jumps: levels.filter((l, i) => l > (i ? levels[i - 1] : 0) + 1).length,
		duplicates: ids.filter((id, i) => ids.indexOf(id) !== i),
		dangling: [...document.querySelectorAll('nav a')].filter(a => !document.querySelector(a.getAttribute('href'))).length,
		spills: [...document.querySelectorAll('td, th:not(.stacked thead *)')].filter(e => e.scrollWidth > e.clientWidth + 1)
			.map(e => e.innerText.slice(0, 60)),
		wide: document.documentElement.scrollWidth > window.innerWidth,
		verdict: document.getElementById('verdict').getBoundingClientRect().height > 0,
		broken: /NaN|Infinity/.test(document.querySelector('main').innerHTML),
	};
})()`

func checkStructure(t *testing.T, tab context.Context, r *results.Results) {
	t.Helper()
	type structure struct {
		Scripts, Images, Mains, Charts, Unnamed, Jumps, Dangling int
		Duplicates, Spills                                       []string
		Verdict, Broken, Wide                                    bool
	}
	got := evaluate[structure](t, tab, structureScript)
	wantCharts := 0
	for _, c := range r.Cells {
		wantCharts++
		if len(c.HostsDetail) > 0 {
			wantCharts++
		}
	}
	if len(r.Cells) > fewCells {
		wantCharts += len(cellGroups(r.Cells))
	}
	figures, _ := recoveryFigures(r.Cells, labels(r.Cells), len(r.Cells) > fewCells)
	wantCharts += len(figures)
	if tradeoffChart("x", fleetSummaries(r.Cells)) != "" {
		wantCharts++
	}
	switch {
	case got.Scripts != 0 || got.Images != 0:
		t.Errorf("%d scripts and %d images or handlers, want none", got.Scripts, got.Images)
	case got.Mains != 1 || !got.Verdict:
		t.Errorf("%d main landmarks, verdict visible: %v", got.Mains, got.Verdict)
	case got.Charts != wantCharts || got.Unnamed != 0:
		t.Errorf("%d charts, want %d; %d without role, title or description", got.Charts, wantCharts, got.Unnamed)
	case got.Jumps != 0:
		t.Errorf("%d headings skip a level", got.Jumps)
	case len(got.Duplicates) != 0 || got.Dangling != 0:
		t.Errorf("ids used twice: %v; %d links of the contents lead nowhere", got.Duplicates, got.Dangling)
	case len(got.Spills) != 0:
		t.Errorf("text spills out of its cell of a table: %q", got.Spills)
	case got.Wide:
		t.Error("with all that was folded open the page is wider than a phone's window")
	case got.Broken:
		t.Error("the page holds a NaN or an infinity")
	}
}

// screenshot leaves a picture of the whole page, where pictures are wanted.
func screenshot(t *testing.T, tab context.Context, name string) {
	t.Helper()
	picture(t, tab, name, chromedp.FullScreenshot(100))
}

// viewShot leaves a picture of the window.
func viewShot(t *testing.T, tab context.Context, name string) {
	t.Helper()
	picture(t, tab, name, chromedp.CaptureScreenshot())
}

func picture(t *testing.T, tab context.Context, name string, take chromedp.Action[[]byte]) {
	t.Helper()
	dir := os.Getenv("FLEETFALL_SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(tab, take)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name), png, 0o644); err != nil {
		t.Fatal(err)
	}
}
