package e2e_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a tab of a real Chromium, and what it saw go wrong.
type browser struct {
	tb   testing.TB
	ctx  context.Context
	base string

	mu       sync.Mutex
	troubles []string
}

// openBrowser starts Chromium with nothing of its user's. A test that has
// none is skipped.
func openBrowser(tb testing.TB, base string) *browser {
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
	b := &browser{tb: tb, ctx: ctx, base: base}
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
func (b *browser) hear(event any) {
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if !strings.HasPrefix(e.Request.URL, b.base) {
			b.trouble("request to " + e.Request.URL)
		}
	case *runtime.EventExceptionThrown:
		b.trouble("exception: " + e.ExceptionDetails.Text + " " + e.ExceptionDetails.URL)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			b.trouble("console: " + e.Entry.Text + " " + e.Entry.URL)
		}
	}
}

func (b *browser) trouble(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.troubles = append(b.troubles, text)
}

func (b *browser) checkTroubles() {
	b.tb.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, t := range b.troubles {
		b.tb.Error(t)
	}
}

// call runs a command of the DevTools protocol.
func call[P, R any](b *browser, command cdp.Command[P, R], params P) R {
	b.tb.Helper()
	r, err := chromedp.Call(b.ctx, command, params)
	if err != nil {
		b.tb.Fatalf("%s: %v", command.Method, err)
	}
	return r
}

func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.tb.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.tb.Fatal(err)
	}
}

// eval evaluates an expression that gives a T.
func eval[T any](b *browser, expression string) T {
	b.tb.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.tb.Fatalf("%s: %v", expression, err)
	}
	return v
}

// await waits until an expression is true on the page. It asks from outside:
// the page's content policy forbids what would wait inside.
func (b *browser) await(expression string) {
	b.tb.Helper()
	waitFor(b.tb, expression, func() bool {
		yes, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		return err == nil && yes // a page that is about to be another cannot say
	})
}

// screen sets the size of the window and the colour scheme.
func (b *browser) screen(width, height int64, scheme string) {
	b.tb.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600})
	call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// shoot keeps a picture of the whole page, in $SQLSYNC_SHOTS if that is set.
func (b *browser) shoot(name string) {
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
