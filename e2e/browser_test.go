// Package e2e_test looks at Restock from outside, as a customer's browser does.
package e2e_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// Sizes of the windows in which every page is looked at.
var sizes = []struct {
	name          string
	width, height int64
}{
	{"phone", 360, 740},
	{"desktop", 1280, 800},
}

const step = 20 * time.Second

func TestPairingInABrowser(t *testing.T) {
	chrome := chromium(t)
	stack := startUp(t)
	for i, size := range sizes {
		t.Run(size.name, func(t *testing.T) {
			b := open(t, chrome, size.width, size.height)
			b.name = size.name
			serial := []string{"SN0001", "SN0002"}[i]

			b.visit(stack.Pages + "/")
			b.look("1-form")
			b.fill("#device_model", "ACME-VAC-1")
			b.fill("#serial", serial)
			b.click(`button[type="submit"]`)
			b.sees("ACME-VAC-1", serial)
			b.look("2-device")

			b.click("a.amazon")
			b.sees("ACME-VAC-1", serial)
			b.look("3-consent")
			b.press("Deny")
			b.sees("again")
			b.look("4-refused")

			b.click("a.amazon")
			b.press("Allow")
			b.sees("connected", serial, "filter")
			b.look("5-paired")
			b.reload()
			b.sees("connected", serial)
		})
	}
	t.Run("malformed", func(t *testing.T) {
		b := open(t, chrome, 360, 740)
		b.name = "malformed"
		b.visit(stack.Pages + "/?device_model=%3Cscript%3Ealert(1)%3C/script%3E&serial=SN")
		b.sees("check the model")
		b.look("page")
	})
}

// The link that a device shows leads to the same pages.
func TestPairingFromADevice(t *testing.T) {
	chrome := chromium(t)
	stack := startUp(t)
	device := stack.pair(t, "ACME-VAC-1", "SN0003")
	b := open(t, chrome, 360, 740)
	b.name = "device"
	b.visit(device.URL)
	b.sees("ACME-VAC-1", "SN0003")
	b.look("1-link")
	b.click("a.amazon")
	b.press("Allow")
	b.sees("connected")
	b.hides(device.DeviceKey)
	if got := device.status(t); got != "paired" {
		t.Errorf("pairing status = %q, want paired", got)
	}
	result := device.replenish(t, "filter")
	if result.Outcome != "ordered" {
		t.Errorf("replenish = %+v, want ordered", result)
	}
}

func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("chromium is not installed")
	}
	t.Skip("chromium is not installed")
	return ""
}

// browser is one window.
type browser struct {
	t    *testing.T
	ctx  context.Context
	name string
}

func open(t *testing.T, path string, width, height int64) *browser {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"), // nothing off this machine
		chromedp.Flag("no-first-run", true), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewContext(t.Context(), chromedp.WithAllocatorOptions(options...))
	t.Cleanup(cancel)
	// The first call starts the browser, which then lives as long as its context.
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, height)); err != nil {
		t.Fatalf("starting chromium: %v", err)
	}
	return &browser{t: t, ctx: ctx}
}

// run does one thing in a window, and ends the test where that can't be done.
func run[T any](b *browser, what string, action chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, step)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		b.t.Fatalf("%s: %v; the page says:\n%s", what, err, b.text())
	}
	return v
}

func (b *browser) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, step)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.location.pathname + "\n" + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

func (b *browser) visit(url string) {
	b.t.Helper()
	run(b, "opening "+url, chromedp.Navigate(url))
}

func (b *browser) reload() {
	b.t.Helper()
	run(b, "reloading", chromedp.Reload())
}

func (b *browser) fill(selector, text string) {
	b.t.Helper()
	run(b, "filling "+selector, chromedp.SendKeys(selector, text))
}

// click presses what leads to another page, and waits for that.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.leave("clicking "+selector, chromedp.Click(selector))
}

// press clicks the button with this text.
func (b *browser) press(label string) {
	b.t.Helper()
	b.leave("pressing "+label, chromedp.Click(`//button[contains(normalize-space(.), "`+label+`")]`))
}

func (b *browser) leave(what string, action chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, step)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, action); err != nil {
		b.t.Fatalf("%s: %v; the page says:\n%s", what, err, b.text())
	}
}

// await waits until a JavaScript expression is true, on whatever page the window is by then.
func (b *browser) await(what, expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, step)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if err == nil && done { // an error: the page was just being left
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			b.t.Fatalf("waiting for %s: %v; the page says:\n%s", what, err, b.text())
		}
	}
}

func (b *browser) sees(words ...string) {
	b.t.Helper()
	text := b.text()
	for _, word := range words {
		if !strings.Contains(text, word) {
			b.t.Fatalf("the page does not say %q:\n%s", word, text)
		}
	}
}

func (b *browser) hides(secret string) {
	b.t.Helper()
	source := run(b, "reading the page", chromedp.Evaluate[string](`document.documentElement.outerHTML + document.location.href + document.cookie`))
	if strings.Contains(source, secret) {
		b.t.Error("the page holds the device key")
	}
}

// look checks what makes a page good to use, and keeps a picture of it where
// RESTOCK_SCREENSHOTS names a folder. Of other files the page may load those that are given.
func (b *browser) look(name string, files ...string) {
	b.t.Helper()
	allowed, err := json.Marshal(append([]string{"data:"}, files...))
	if err != nil {
		b.t.Fatal(err)
	}
	for _, fault := range run(b, "looking at "+name, chromedp.Evaluate[[]string](pageFaults+"("+string(allowed)+")")) {
		b.t.Errorf("%s: %s", name, fault)
	}
	folder := os.Getenv("RESTOCK_SCREENSHOTS")
	if folder == "" {
		return
	}
	picture := run(b, "photographing "+name, chromedp.FullScreenshot(100))
	if err := os.MkdirAll(folder, 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, b.name+"-"+name+".png"), picture, 0o644); err != nil {
		b.t.Fatal(err)
	}
}

// pageFaults returns what a customer with a phone, a keyboard or a screen reader would
// stumble over.
const pageFaults = `(allowed => {
	const faults = [];
	const root = document.documentElement;
	if (!root.lang) faults.push("no language");
	if (!document.title) faults.push("no title");
	if (document.querySelectorAll("h1").length !== 1) faults.push("not exactly one h1");
	if (!document.querySelector("main")) faults.push("no main landmark");
	if (root.scrollWidth > root.clientWidth) faults.push("wider than the window: " + root.scrollWidth + " over " + root.clientWidth);
	for (const r of performance.getEntriesByType("resource"))
		if (!allowed.some(a => r.name.startsWith(a))) faults.push("loads " + r.name);
	for (const i of document.querySelectorAll("input:not([type=hidden]), select"))
		if (!i.labels || !i.labels.length) faults.push("no label: " + i.name);
	for (const i of document.querySelectorAll("img, svg"))
		if (!i.hasAttribute("alt") && i.getAttribute("aria-hidden") !== "true" && !i.hasAttribute("aria-label")) faults.push("picture without words");
	for (const b of document.querySelectorAll("button, a.button")) {
		const box = b.getBoundingClientRect();
		if (box.height < 44) faults.push("hard to hit (" + box.height + " px): " + b.innerText);
		if (!b.innerText.trim()) faults.push("button without words");
	}
	const light = c => {
		const [r, g, b] = c.match(/[\d.]+/g).slice(0, 3).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
		return 0.2126 * r + 0.7152 * g + 0.0722 * b;
	};
	const ground = e => {
		for (; e; e = e.parentElement) {
			const c = getComputedStyle(e).backgroundColor;
			if (!/, 0\)$|transparent/.test(c)) return c;
		}
		return "rgb(255, 255, 255)";
	};
	for (const e of document.querySelectorAll("h1, h2, p, dt, dd, li, label, a, button, b")) {
		if (!e.innerText.trim()) continue;
		const a = light(getComputedStyle(e).color), b = light(ground(e));
		const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < 4.5) faults.push("contrast " + ratio.toFixed(1) + ": " + e.innerText.slice(0, 40));
	}
	return faults;
})`
