package mesh_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"sync"

	_ "modernc.org/sqlite"

	"sqlsync/cdc"
	"sqlsync/replicate/mesh"
)

// An application that owns its file, and replicates it from inside its own
// process: it keeps its own *sql.DB, by whatever driver, and gives sqlsync
// nothing but the path.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	office, till := shop("office"), shop("till") // two machines, in one process here
	defer os.RemoveAll(filepath.Dir(office))
	defer os.RemoveAll(filepath.Dir(till))

	// The office lets peers in.
	a := open(ctx, office)
	defer a.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	port := mesh.NewPort(l, nil)
	go port.Run(ctx)

	// The till dials. Each knows the other by its key.
	b := open(ctx, till)
	defer b.Close()
	check(a.AddRemote(ctx, "till", b.Identity.PublicKey().String()))
	check(b.AddRemote(ctx, "office", a.Identity.PublicKey().String(), l.Addr().String()))

	ended := make(chan error)
	go func() { ended <- a.Serve(ctx, mesh.ServeOptions{Port: port}) }()
	go func() { ended <- b.Serve(ctx, mesh.ServeOptions{}) }()

	// The application goes on as it always did.
	db, err := sql.Open("sqlite", "file:"+till+pragmas)
	check(err)
	defer db.Close()
	changed, cancel := a.Store.Changed() // signals whenever somebody wrote
	defer cancel()
	_, err = db.Exec(`INSERT INTO orders VALUES ('t-1', 450)`)
	check(err)
	fmt.Println("the office has an order of", arrived(office, changed))

	stop()
	fmt.Println(errors.Is(<-ended, context.Canceled), errors.Is(<-ended, context.Canceled))
	// Output:
	// the office has an order of 450
	// true true
}

// Exchange once, from cron for example, instead of serving.
func ExampleMember_Sync() {
	ctx := context.Background()
	office, till := shop("office"), shop("till")
	defer os.RemoveAll(filepath.Dir(office))
	defer os.RemoveAll(filepath.Dir(till))
	a, b := open(ctx, office), open(ctx, till)
	defer b.Close()
	defer meet(ctx, a, b)()

	exec(till, `INSERT INTO orders VALUES ('t-1', 450)`)
	check(b.Sync(ctx, "office")) // both have everything that was committed before
	exec(office, `UPDATE orders SET cents = 525`)
	check(b.Sync(ctx, "office"))

	tables, err := b.Store.Digest(ctx, []string{"orders"})
	check(err)
	same, err := a.Store.Digest(ctx, []string{"orders"})
	check(err)
	fmt.Println(tables["orders"].Rows, tables["orders"] == same["orders"])
	// Output: 1 true
}

// A new replica of the tables that a remote watches, schema included.
func ExampleMember_Clone() {
	ctx := context.Background()
	office := shop("office")
	defer os.RemoveAll(filepath.Dir(office))
	exec(office, `INSERT INTO orders VALUES ('o-1', 300), ('o-2', 450)`)
	a := open(ctx, office)

	till := filepath.Join(filepath.Dir(office), "till.db")
	check(cdc.CreateFile(ctx, till))
	b, err := mesh.Open(ctx, till, mesh.Options{})
	check(err)
	defer b.Close()
	defer meet(ctx, a, b)()
	_, err = b.Clone(ctx, "office")
	check(err)

	tables, err := b.Store.Tables(ctx)
	check(err)
	for _, t := range tables {
		fmt.Println(t.Name, t.Dataset, t.Rows)
	}
	// Output: orders primary 2
}

// pragmas are what any application wants that is not alone with its file: to
// wait for a lock instead of failing at once, and a write-ahead log.
const pragmas = "?_pragma=busy_timeout(60000)&_pragma=journal_mode(wal)"

// shop makes a database as an application has one.
func shop(name string) (path string) {
	dir, err := os.MkdirTemp("", "mesh")
	check(err)
	path = filepath.Join(dir, name+".db")
	exec(path, `CREATE TABLE orders (id TEXT PRIMARY KEY, cents INTEGER)`)
	return path
}

// open makes a shop's database a member.
func open(ctx context.Context, path string) *mesh.Member {
	m, err := mesh.Open(ctx, path, mesh.Options{})
	check(err)
	verdicts, err := m.Store.Watch(ctx, []string{"orders"}, cdc.WatchOptions{})
	check(err)
	for _, v := range verdicts {
		check(v.Refused)
	}
	return m
}

// meet has a served, until the function that it returns is called, and b know
// it by the name of office.
func meet(ctx context.Context, a, b *mesh.Member) (end func()) {
	ctx, stop := context.WithCancel(ctx)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	check(a.AddRemote(ctx, "till", b.Identity.PublicKey().String()))
	check(b.AddRemote(ctx, "office", a.Identity.PublicKey().String(), l.Addr().String()))
	port := mesh.NewPort(l, nil)
	service, err := a.Begin(ctx, mesh.ServeOptions{Port: port})
	check(err)
	var all sync.WaitGroup
	all.Go(func() { port.Run(ctx) })
	all.Go(func() { service.Run(ctx) })
	return func() {
		stop()
		all.Wait()
		check(a.Close())
	}
}

// arrived waits for the first order.
func arrived(path string, changed <-chan struct{}) (cents int) {
	db, err := sql.Open("sqlite", "file:"+path+pragmas)
	check(err)
	defer db.Close()
	for ; ; <-changed {
		err := db.QueryRow(`SELECT cents FROM orders`).Scan(&cents)
		if err == nil {
			return cents
		}
		if !errors.Is(err, sql.ErrNoRows) {
			check(err)
		}
	}
}

func exec(path, statement string) {
	db, err := sql.Open("sqlite", "file:"+path+pragmas)
	check(err)
	defer db.Close()
	_, err = db.Exec(statement)
	check(err)
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
