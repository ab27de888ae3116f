package wire

// Limits bound what is decoded. A field that is 0 has its default.
type Limits struct {
	// MaxChanges and MaxCells bound a section: 1,048,576 changes, and 8,388,608
	// values that those carry, keys included.
	MaxChanges, MaxCells int
	// MaxSection bounds a section's bytes before compression: 1,181,116,006,
	// which has room for the longest row that SQLite makes.
	MaxSection int
	// MaxBatch bounds the same of all sections of a batch together:
	// 2,147,483,647.
	MaxBatch int
	// MaxMessage bounds the bytes of a message that carries batches or a
	// schema: 67,108,864.
	MaxMessage int
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	set(&l.MaxChanges, 1<<20)
	set(&l.MaxCells, 8<<20)
	set(&l.MaxSection, 1181116006)
	set(&l.MaxBatch, 1<<31-1)
	set(&l.MaxMessage, 64<<20)
	return l
}

const (
	// maxName bounds the name of a table, dataset or column.
	maxName = 1 << 16
	// maxColumns bounds the columns of one table: SQLite's highest setting.
	maxColumns = 32767
	// maxSections bounds the tables of one batch.
	maxSections = 1 << 16
	// maxHorizons bounds the origins of one dataset.
	maxHorizons = 1 << 16
	// maxItems bounds the strings in the lists of one message.
	maxItems = 1 << 20
)
