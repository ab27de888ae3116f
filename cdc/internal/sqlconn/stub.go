package sqlconn

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"slices"
	"strings"
	"sync"

	"modernc.org/sqlite"
)

// OpenDB is sql.Open for connections on which functions exist by name that only
// another program has. SQL that calls one compiles, as far as an authorizer
// lets it; a call that is carried out is an error, so that none gives a value.
// No other connection knows of them.
func OpenDB(dsn string, stubs []string) (*sql.DB, error) {
	if len(stubs) == 0 {
		return sql.Open("sqlite", dsn)
	}
	d, err := stubbed(stubs)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector{d, dsn}), nil
}

type connector struct {
	d   *sqlite.Driver
	dsn string
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return c.d.Open(c.dsn)
}

func (c connector) Driver() driver.Driver { return c.d }

// drivers are kept by their stubs: what is registered on one is never freed.
var drivers struct {
	sync.Mutex
	m map[string]*sqlite.Driver
}

func stubbed(names []string) (*sqlite.Driver, error) {
	names = slices.Sorted(slices.Values(names))
	key := strings.Join(names, "\x00")
	drivers.Lock()
	defer drivers.Unlock()
	if d := drivers.m[key]; d != nil {
		return d, nil
	}
	d := &sqlite.Driver{}
	for _, name := range names {
		// Deterministic, or the schema would not load where an index calls it.
		err := d.RegisterDeterministicScalarFunction(name, -1, func(*sqlite.FunctionContext, []driver.Value) (driver.Value, error) {
			return nil, fmt.Errorf("function %s is the application's", name)
		})
		if err != nil {
			return nil, fmt.Errorf("stub %s: %w", name, err)
		}
	}
	if drivers.m == nil {
		drivers.m = make(map[string]*sqlite.Driver)
	}
	drivers.m[key] = d
	return d, nil
}
