package cdc_test

import (
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sqlsync/cdc"
	"sqlsync/fixtures/generate"
)

var (
	differentialSeed = flag.Uint64("differential.seed", 0, "the `seed` to begin with; without -differential.for the only one")
	differentialAll  = flag.Bool("differential.all", false, "look at what is known to be lost too, see lost")
	differentialFor  = flag.Duration("differential.for", 0, "how long to go on with the next seeds")
)

// differentialSeeds is how many seeds are tried where no flag says otherwise.
const differentialSeeds = 16

// An application runs one script on two files, of which one is watched, and a
// replica is given the batches of that. Then: the watched file is what the
// plain one is, and every statement said the same; the replica is what the
// watched file is; a batch has the changes that there were and no others.
func TestDifferential(t *testing.T) {
	needShells(t)
	first, last := uint64(1), uint64(differentialSeeds)
	if *differentialSeed > 0 {
		first, last = *differentialSeed, *differentialSeed
	} else if *differentialFor > 0 {
		first = uint64(time.Now().UnixMilli())
	}
	if testing.Short() && first == 1 {
		last = 3
	}
	end := time.Now().Add(*differentialFor)
	n := 0
	for seed := first; seed <= last || time.Now().Before(end); seed++ {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { try(t, seed) })
		if n++; t.Failed() && *differentialFor > 0 {
			break
		}
	}
	t.Logf("%d seeds from %d", n, first)
}

// trial is one script as it runs.
type trial struct {
	*testing.T
	script           generate.Script
	shell            shell
	watched, replica *node
	plain            *node
	taken            bool                  // the baseline was
	told             []string              // what the application was, by step
	fed              int64                 // the place of the last batch that the replica got
	before           map[string]*image     // of the watched tables at the last seal
	loose            map[string][]string   // columns of a table that were renamed, see checkBatch
	behind           map[string][]behindBy // per table, what the replica has not done yet
}

// behindBy is a change of the schema that is to be made in so many steps.
type behindBy struct {
	steps int
	sql   []string
}

func try(t *testing.T, seed uint64) {
	d := &trial{T: t, script: generate.New(seed), shell: sqlite3Shell,
		before: make(map[string]*image), loose: make(map[string][]string), behind: make(map[string][]behindBy)}
	if seed%8 == 0 {
		d.shell = pythonShell
	}
	done := -1
	defer func() {
		if t.Failed() {
			t.Logf("again: go test ./cdc -run TestDifferential -differential.seed=%d\n%s", seed, transcript(d.script, done))
		}
	}()
	schema := strings.Join(d.script.Schema, ";\n")
	d.watched, d.replica = newNode(t, 1, schema), newNode(t, 2, schema)
	d.plain = &node{t: t, path: filepath.Join(t.TempDir(), "app.db")}
	d.plain.openApp(schema)
	var tables []string
	for _, table := range d.script.Tables {
		tables = append(tables, table.Name)
		d.before[table.Name] = &image{}
	}
	d.replica.watch(cdc.WatchOptions{}, tables...)
	late := seed%2 == 0 // the rows are there before the tables are watched
	for i, step := range d.script.Steps {
		if done = i; i == 0 && !late || i == 1 && late {
			d.watched.watch(cdc.WatchOptions{}, tables...)
			d.taken = true
			d.compare()
		}
		d.step(step)
		if t.Failed() {
			return
		}
	}
	for range 3 {
		d.catchUp()
	}
	d.compare()
}

// step runs a step and looks at everything that ought to hold after it.
func (d *trial) step(s generate.Step) {
	d.told = append(d.told, d.shell(d, d.watched, s))
	diff := d.disturbed(comparable(d.shell(d, d.plain, s), d.told[len(d.told)-1]))
	if diff != "" && d.sqlitesOwn() {
		d.Skip("any trigger makes a difference here")
	} else if diff != "" {
		d.Error(diff)
	}
	if s.Renamed != "" {
		d.loose[s.Altered] = append(d.loose[s.Altered], lower(s.Renamed))
	}
	if s.Replica != nil {
		by := behindBy{sql: s.Replica}
		if s.Late && !lost(s) {
			by.steps = 2
		}
		if lost(s) { // nor may it wait for what was to be made later
			for i := range d.behind[s.Altered] {
				d.behind[s.Altered][i].steps = 0
			}
		}
		d.behind[s.Altered] = append(d.behind[s.Altered], by)
	}
	d.catchUp()
	d.compare()
}

// lost reports whether a replica that makes a change of the schema later loses
// what was written meanwhile, so far: values of columns that it does not have.
// Lost on the way are also, after RENAME COLUMN, changes to NULL or the
// default of rows that were there before.
func lost(s generate.Step) bool {
	return !*differentialAll && !slices.ContainsFunc(s.Replica, func(q string) bool { return strings.Contains(q, "DROP COLUMN") })
}

// catchUp makes the changes of the schema on the replica that are due. Those
// of one table keep their order.
func (d *trial) catchUp() {
	for name, list := range d.behind {
		for i := range list {
			list[i].steps--
		}
		for len(list) > 0 && list[0].steps < 0 {
			for _, q := range list[0].sql {
				d.replica.app.SetMaxOpenConns(1)
				if _, err := d.replica.app.Exec(q); err != nil {
					d.Logf("replica: %s: %v", q, err)
				}
			}
			list = list[1:]
		}
		if d.behind[name] = list; len(list) == 0 {
			delete(d.behind, name)
		}
	}
}

// compare seals, gives the replica what there is, and compares.
func (d *trial) compare() {
	d.Helper()
	if d.taken {
		d.watched.seal()
		d.checkBatch(d.feed())
	}
	d.replica.seal()
	for _, table := range d.script.Tables {
		if d.behind[table.Name] != nil || !d.taken {
			continue
		}
		watched, replica := d.image(d.watched, table), d.image(d.replica, table)
		if !*differentialAll {
			watched.leaveOut(d.loose[table.Name])
			replica.leaveOut(d.loose[table.Name])
		}
		if diff := replica.differs(watched); diff != "" {
			d.Errorf("%q of the replica is not what was written: %s", table.Name, diff)
		}
	}
	d.checkFiles()
}
