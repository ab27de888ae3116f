package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"sqlsync/cdc"
	"sqlsync/fixtures"
)

// demoPatience is for machines on which the demo is slow; it takes seconds.
const demoPatience = 10 * time.Minute

type demoCmd struct {
	Keep bool `help:"Keep the folder with the two databases."`
}

// Run shows two databases that become one. It uses this same program, by its
// verbs, as a person would.
func (c *demoCmd) Run(ctx context.Context, a *app) error {
	ctx, cancel := context.WithTimeout(ctx, demoPatience)
	defer cancel()
	dir, err := os.MkdirTemp("", "sqlsync-demo-")
	if err != nil {
		return err
	}
	if c.Keep {
		defer a.printf("\nThe databases are in %s\n", dir)
	} else {
		defer os.RemoveAll(dir)
	}
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program: %w", err)
	}
	d := &demo{app: a, exe: exe, began: time.Now()}
	d.till = &side{demo: d, name: "till", path: filepath.Join(dir, "till.db")}
	d.office = &side{demo: d, name: "office", path: filepath.Join(dir, "office.db")}
	defer d.end()
	for _, act := range []func(context.Context) error{d.setUp, d.live, d.bulk, d.offline, d.conflict, d.compare} {
		if err := act(ctx); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
	}
	return nil
}

type demo struct {
	*app
	exe          string
	began        time.Time
	till, office *side
}

// side is one of the two databases.
type side struct {
	*demo
	name, path, addr string
	db               *sql.DB // the application's connection
	serve            *exec.Cmd
	log              *os.File
}

func (d *demo) title(text string) { d.printf("\n%s\n", text) }

func (d *demo) tell(format string, args ...any) {
	d.printf("%6.2fs  %s\n", time.Since(d.began).Seconds(), fmt.Sprintf(format, args...))
}

func (d *demo) end() {
	for _, s := range []*side{d.till, d.office} {
		s.stop()
		if s.db != nil {
			s.db.Close()
		}
		if s.log != nil {
			s.log.Close()
		}
	}
}

// verb runs one of this program's verbs on a side's database.
func (s *side) verb(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.exe, append([]string{"--db", s.path}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("sqlsync %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return strings.TrimSpace(string(out)), nil
}

// exec runs the application's SQL.
func (s *side) exec(ctx context.Context, statement string, args ...any) error {
	if _, err := s.db.ExecContext(ctx, statement, args...); err != nil {
		return fmt.Errorf("%s: %s: %w", s.name, statement, err)
	}
	return nil
}

// await waits until a query on the side's database gives a value, and returns
// how long that took.
func (s *side) await(ctx context.Context, want, query string) (time.Duration, error) {
	start := time.Now()
	tick := time.NewTicker(200 * time.Microsecond)
	defer tick.Stop()
	for {
		var got sql.NullString
		if err := s.db.QueryRowContext(ctx, query).Scan(&got); err != nil && !errors.Is(err, sql.ErrNoRows) {
			return 0, fmt.Errorf("%s: %w", s.name, err)
		}
		if got.String == want {
			return time.Since(start), nil
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%s: %q was not %q in time", s.name, query, want)
		case <-tick.C:
		}
	}
}

func (d *demo) setUp(ctx context.Context) error {
	d.title("Two applications, two SQLite files, one shop")
	for _, s := range []*side{d.till, d.office} {
		if err := cdc.CreateFile(ctx, s.path); err != nil {
			return err
		}
		var err error
		if s.db, err = sql.Open("sqlite", cdc.AppDSN(s.path)); err != nil {
			return err
		}
		s.db.SetMaxOpenConns(1)
		if err := s.exec(ctx, fixtures.ShopSchema); err != nil {
			return err
		}
		if _, err := s.verb(ctx, append([]string{"watch"}, fixtures.ShopTables...)...); err != nil {
			return err
		}
		d.tell("%s.db: five tables watched; the application's own schema is untouched", s.name)
	}
	if err := d.introduce(ctx); err != nil {
		return err
	}
	d.tell("both are served by processes of their own, over encrypted TCP on loopback (%s)", d.office.addr)
	return nil
}

// introduce makes the sides each other's remotes and serves both; the till
// dials the office.
func (d *demo) introduce(ctx context.Context) error {
	tillKey, err := d.till.verb(ctx, "key")
	if err != nil {
		return err
	}
	officeKey, err := d.office.verb(ctx, "key")
	if err != nil {
		return err
	}
	if _, err := d.office.verb(ctx, "remote", "add", "till", tillKey); err != nil {
		return err
	}
	if err := d.office.start(ctx, "127.0.0.1:0"); err != nil {
		return err
	}
	if _, err := d.till.verb(ctx, "remote", "add", "office", officeKey, "--addr", d.office.addr); err != nil {
		return err
	}
	return d.till.start(ctx, "127.0.0.1:0")
}

// start serves a side and waits until it listens.
func (s *side) start(ctx context.Context, listen string) error {
	var err error
	if s.log == nil {
		if s.log, err = os.Create(s.path + ".log"); err != nil {
			return err
		}
	}
	from, err := s.log.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	s.serve = exec.Command(s.exe, "--db", s.path, "serve", "--listen", listen)
	s.serve.Stderr = s.log
	if err := s.serve.Start(); err != nil {
		return err
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(s.log.Name())
		if err != nil {
			return err
		}
		if _, rest, ok := strings.Cut(string(text[from:]), " on "); ok {
			if addr, _, ok := strings.Cut(rest, " as "); ok {
				s.addr = addr
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s did not begin to serve: %s", s.name, text)
		case <-tick.C:
		}
	}
}

// stop ends a side's serve, if it runs.
func (s *side) stop() {
	if s.serve == nil {
		return
	}
	if err := s.serve.Process.Signal(os.Interrupt); err != nil { // Windows has none
		s.serve.Process.Kill()
	}
	s.serve.Wait() // its exit code says nothing the demo needs
	s.serve = nil
}

func (d *demo) live(ctx context.Context) error {
	d.title("Plain SQL on either side is there on the other")
	steps := []struct {
		from, to         *side
		sql, want, query string
	}{
		{d.office, d.till, `INSERT INTO products (id, sku, name, price_cents) VALUES (1, 'TEA-01', 'Green tea', 450)`, "Green tea", `SELECT name FROM products WHERE id = 1`},
		{d.till, d.office, `INSERT INTO customers (id, name, email, created_at) VALUES (1, 'Ada', 'ada@example.org', datetime('now'))`, "Ada", `SELECT name FROM customers WHERE id = 1`},
		{d.till, d.office, `INSERT INTO stock (product_id, location, quantity) VALUES (1, 'shop', 20)`, "20", `SELECT quantity FROM stock`},
		{d.till, d.office, `BEGIN; INSERT INTO orders VALUES (50001, 1, datetime('now'), 'paid', 900, NULL); INSERT INTO order_lines VALUES (1, 50001, 1, 2, 450); UPDATE stock SET quantity = quantity - 2; COMMIT`,
			"18", `SELECT s.quantity FROM stock AS s JOIN order_lines AS l ON l.product_id = s.product_id`},
		{d.office, d.till, `UPDATE products SET price_cents = 475 WHERE id = 1`, "475", `SELECT price_cents FROM products WHERE id = 1`},
	}
	for _, s := range steps {
		if err := s.from.exec(ctx, s.sql); err != nil {
			return err
		}
		took, err := s.to.await(ctx, s.want, s.query)
		if err != nil {
			return err
		}
		d.tell("%-6s  %s", s.from.name, s.sql)
		d.tell("%-6s  has it %.1f ms after the commit", s.to.name, float64(took.Microseconds())/1000)
	}
	return nil
}

// bulkRows is how many orders the bulk insert makes.
const bulkRows = 50_000

func (d *demo) bulk(ctx context.Context) error {
	d.title("A bulk insert")
	start := time.Now()
	err := d.till.exec(ctx, `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO orders SELECT i, 1, datetime('now'), 'paid', i % 9973, 'basket ' || i FROM n`, bulkRows)
	if err != nil {
		return err
	}
	d.tell("till    %d orders committed in %.2f s", bulkRows, time.Since(start).Seconds())
	if _, err := d.office.await(ctx, fmt.Sprint(bulkRows+1), `SELECT count(*) FROM orders`); err != nil {
		return err
	}
	took := time.Since(start).Seconds()
	d.tell("office  has them all %.2f s after the insert began: %.0f rows/s", took, bulkRows/took)
	return nil
}

func (d *demo) offline(ctx context.Context) error {
	d.title("The till goes offline; both go on selling")
	d.till.stop()
	for _, w := range []struct {
		side *side
		sql  string
	}{
		{d.till, `INSERT INTO orders VALUES (60001, 1, datetime('now'), 'paid', 950, 'sold offline')`},
		{d.till, `UPDATE customers SET points = 40 WHERE id = 1`},
		{d.office, `UPDATE customers SET email = 'ada@lovelace.example' WHERE id = 1`},
		{d.till, `UPDATE products SET price_cents = 500 WHERE id = 1`},
		{d.office, `UPDATE products SET price_cents = 525 WHERE id = 1`},
		{d.office, `DELETE FROM orders WHERE id = 17`},
	} {
		if err := w.side.exec(ctx, w.sql); err != nil {
			return err
		}
		d.tell("%-6s  %s", w.side.name, w.sql)
	}
	d.tell("the customer was changed on both sides, in different columns; the price on both, differently")
	return nil
}

func (d *demo) conflict(ctx context.Context) error {
	d.title("It comes back")
	start := time.Now()
	if err := d.till.start(ctx, "127.0.0.1:0"); err != nil {
		return err
	}
	for _, s := range []*side{d.till, d.office} {
		for want, query := range map[string]string{
			"sold offline":            `SELECT note FROM orders WHERE id = 60001`,
			"40 ada@lovelace.example": `SELECT points || ' ' || email FROM customers WHERE id = 1`,
			"525":                     `SELECT price_cents FROM products WHERE id = 1`,
			"0":                       `SELECT count(*) FROM orders WHERE id = 17`,
		} {
			if _, err := s.await(ctx, want, query); err != nil {
				return err
			}
		}
	}
	d.tell("both have everything %.2f s after the till was started", time.Since(start).Seconds())
	d.tell("the customer has both changes; of the prices the later one stands")
	for _, s := range []*side{d.till, d.office} {
		list, err := s.verb(ctx, "conflicts", "list")
		if err != nil {
			return err
		}
		d.printf("\n$ sqlsync --db %s.db conflicts list\n%s\n", s.name, list)
	}
	return nil
}

func (d *demo) compare(ctx context.Context) error {
	d.title("The digests")
	var texts []string
	for _, s := range []*side{d.till, d.office} {
		text, err := s.verb(ctx, "digest")
		if err != nil {
			return err
		}
		texts = append(texts, text)
	}
	d.printf("%s\n\n", texts[0])
	if texts[0] != texts[1] {
		return fmt.Errorf("the office's digests differ:\n%s", texts[1])
	}
	d.tell("equal on both sides, types and bytes included")
	return nil
}
