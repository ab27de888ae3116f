package cdc_test

import (
	"strconv"
	"testing"
)

// Space is handed back where the file is set to that already, and only there.
func TestSpaceIsHandedBack(t *testing.T) {
	for mode, back := range map[string]bool{"NONE": false, "INCREMENTAL": true} {
		t.Run(mode, func(t *testing.T) {
			n := newNode(t, 1, `PRAGMA auto_vacuum = `+mode+`; VACUUM; `+items)
			setting := n.text(`PRAGMA auto_vacuum`)
			n.exec(`CREATE TABLE big (v); INSERT INTO big VALUES (zeroblob(4000000)); DROP TABLE big`)
			before := n.text(`PRAGMA freelist_count`)
			n.prune()
			free, _ := strconv.Atoi(n.text(`PRAGMA freelist_count`))
			if was, _ := strconv.Atoi(before); was < 500 || (free == 0) != back {
				t.Errorf("of %d free pages %d are left", was, free)
			}
			if got := n.text(`PRAGMA auto_vacuum`); got != setting {
				t.Errorf("auto_vacuum is %s now", got)
			}
			n.checkIntegrity()
		})
	}
}
