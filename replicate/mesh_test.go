package replicate

import (
	"testing"
	"time"
)

// In a full mesh every node could send every batch to every other: with five,
// each would arrive four times.
func TestMeshSendsLittleTwice(t *testing.T) {
	for _, seed := range seeds(t) {
		s := newSim(t, seed, 5, mesh5)
		s.quiet = true
		s.redial()
		s.trouble()
		s.run(20*time.Second, func() bool { return false })
		s.calm = true
		if !s.run(time.Minute, s.equal) {
			t.Error("not equal")
		}
		s.check()
		if needed, delivered := s.count(); delivered > needed*110/100 {
			t.Errorf("seed %d: %d delivered, %d needed", seed, delivered, needed)
		}
	}
}
