package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"sqlsync/cdc"
)

// exec runs a hook's command with a batch on its standard input. The start of
// what it complains of goes to the log; what else it prints may be rows.
func (c *carrier) exec(ctx context.Context, batch cdc.Cursor, body []byte) error {
	cmd := shellCommand(ctx, c.hook.Command)
	cmd.Env = append(os.Environ(), "SQLSYNC_HOOK="+c.hook.Name, "SQLSYNC_DB="+c.store.Path(),
		"SQLSYNC_DATASET="+batch.Dataset, "SQLSYNC_CURSOR="+batch.String())
	cmd.Stdin = bytes.NewReader(body)
	said := &head{most: 1000}
	cmd.Stderr = said
	// Something that it left running may hold its output open.
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	if text := strings.TrimSpace(said.String()); text != "" {
		c.log.Info("hook said", "text", text)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("command took longer than %v", c.hook.Timeout)
	}
	if err != nil {
		return fmt.Errorf("command: %w", err)
	}
	return nil
}

// head keeps the first bytes of what is written to it.
type head struct {
	bytes.Buffer
	most int
}

func (h *head) Write(b []byte) (int, error) {
	h.Buffer.Write(b[:min(len(b), h.most-h.Len())])
	return len(b), nil
}

var hookClient = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// post posts a batch to a hook's URL. The signature is the HMAC-SHA256, under
// the hook's secret, of the timestamp, a dot, and the body.
func (c *carrier) post(ctx context.Context, batch cdc.Cursor, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.hook.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("the URL is not one")
	}
	now := strconv.FormatInt(time.Now().Unix(), 10)
	mac := hmac.New(sha256.New, []byte(c.store.HookSecret(&c.hook)))
	mac.Write([]byte(now + "."))
	mac.Write(body)
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("User-Agent", "sqlsync/"+version())
	req.Header.Set("Sqlsync-Hook", c.hook.Name)
	req.Header.Set("Sqlsync-Cursor", batch.String())
	req.Header.Set("Sqlsync-Timestamp", now)
	req.Header.Set("Sqlsync-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	resp, err := hookClient.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) { // it names the URL, which may have a password
			err = u.Err
		}
		return fmt.Errorf("post: %w", err)
	}
	resp.Body.Close()
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("post: answered %s", resp.Status)
	}
	return nil
}
