// Package browser drives a real Chromium, for tests of the page.
package browser

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Browser is a tab of a real Chromium, and what it saw go wrong.
type Browser struct {
	tb  testing.TB
	ctx context.Context
	// Base is the only place that it may ask anything of.
	Base string

	mu       sync.Mutex
	troubles []string
}

// patience bounds what a test waits for altogether.
const patience = 3 * time.Minute

// Open starts Chromium with nothing of its user's. A test that has
// none is skipped.
func Open(tb testing.TB, base string) *Browser {
	tb.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		tb.Skip("SKIPPED: chromium is not installed; nobody looks at the page")
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	tb.Cleanup(cancel)
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.UserDataDir(tb.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Flag("disable-component-update", true))
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	tb.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	tb.Cleanup(closeTab)
	b := &Browser{tb: tb, ctx: ctx, Base: base}
	if err := chromedp.Listen(ctx, b.hear); err != nil {
		tb.Fatal(err)
	}
	call(b, log.Enable, cdp.Empty{})
	call(b, network.Enable, network.EnableParams{})
	call(b, runtime.Enable, cdp.Empty{})
	return b
}

// hear notes requests that leave the machine and whatever the console has to
// say, such as what the content policy forbids.
func (b *Browser) hear(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, b.Base) {
			b.trouble("request to " + e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text + " " + e.ExceptionDetails.URL
		if e.ExceptionDetails.Exception != nil {
			text += " " + e.ExceptionDetails.Exception.Description
		}
		b.trouble("exception: " + text)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.trouble("console: " + e.Entry.Text + " " + e.Entry.URL)
		}
	}
}

func (b *Browser) trouble(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.troubles = append(b.troubles, text)
}

// CheckTroubles fails the test over everything that went wrong so far.
func (b *Browser) CheckTroubles() {
	b.tb.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.troubles {
		b.tb.Error(t)
	}
}

// call runs a command of the DevTools protocol.
func call[P, R any](b *Browser, command cdp.Command[P, R], params P) R {
	b.tb.Helper()
	r, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.tb.Fatalf("%s: %v", command.Method, err)
	}
	return r
}

// Do carries out actions.
func (b *Browser) Do(actions ...chromedp.Action[chromedp.Void]) {
	b.tb.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.tb.Fatal(err)
	}
}

// Eval evaluates an expression that gives a T.
func Eval[T any](b *Browser, expression string) T {
	b.tb.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.tb.Fatalf("%s: %v", expression, err)
	}
	return v
}

// Await waits until an expression is true on the page. It asks from outside:
// the page's content policy forbids what would wait inside.
func (b *Browser) Await(expression string) {
	b.tb.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		yes, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if err == nil && yes { // a page that is about to be another cannot say
			return
		}
		select {
		case <-b.ctx.Done():
			b.tb.Fatalf("waited %v for %s", patience, expression)
		case <-tick.C:
		}
	}
}

// Navigate goes to a path behind Base.
func (b *Browser) Navigate(path string) {
	b.tb.Helper()
	b.Do(chromedp.Navigate(b.Base + path))
}

// Press presses a key that kb has a name for.
func (b *Browser) Press(key string) {
	b.tb.Helper()
	b.Do(chromedp.KeyEvent(map[string]string{"Enter": kb.Enter, "Tab": kb.Tab, "ArrowDown": kb.ArrowDown}[key]))
}

// TabTo walks through the page by keyboard until an expression is true.
func (b *Browser) TabTo(expression string) {
	b.tb.Helper()
	for range 50 {
		b.Press("Tab")
		if Eval[bool](b, "!!("+expression+")") {
			return
		}
	}
	b.tb.Fatalf("no tab leads to %s", expression)
}

// Forgive forgets troubles with a text, which are meant to be.
func (b *Browser) Forgive(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.troubles = slices.DeleteFunc(b.troubles, func(t string) bool { return strings.Contains(t, text) })
}

// Screen sets the size of the window and the colour scheme.
func (b *Browser) Screen(width, height int64, scheme string) {
	b.tb.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// Shoot keeps a picture of the whole page, in $SQLSYNC_SHOTS if that is set.
func (b *Browser) Shoot(name string) {
	b.tb.Helper()
	dir := os.Getenv("SQLSYNC_SHOTS")
	if dir == "" {
		dir = b.tb.TempDir()
	}
	all := true
	png := call(b, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &all})
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png.Data, 0o644); err != nil {
		b.tb.Fatal(err)
	}
}
