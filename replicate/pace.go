package replicate

import (
	"time"

	"sqlsync/wire"
)

// Points that a peer may spend at once, and gets back in a second.
const (
	paceBurst = 20_000
	paceRate  = 10_000
)

// pace bounds the work that a peer makes by talking: its messages cost points,
// and while there are none it is not read from. An honest peer has always some
// left, and a flood becomes a slow one. What batches cost is bounded by what was
// not applied yet, see wantsRead.
type pace struct {
	debt float64 // points spent and not yet given back
	at   time.Time
}

// price is what a message costs. Those that make the store read or lock cost
// most.
func price(m wire.Message) float64 {
	switch m := m.(type) {
	case *wire.Ack:
		return 1 + float64(len(m.Vector))/8
	case *wire.SnapshotRequest, *wire.RangesRequest, *wire.StatesRequest:
		return 10
	case *wire.SealRequest, *wire.ContentsRequest, *wire.FingerprintsRequest:
		return paceRate / 100
	case *wire.Known, *wire.Addresses, *wire.Offers, *wire.SchemaRequest, *wire.DigestRequest, *wire.Behind:
		return paceRate / 20
	}
	return 1
}

func (p *pace) spend(now time.Time, points float64) {
	p.debt, p.at = p.left(now)+points, now
}

// left is the debt by now.
func (p *pace) left(now time.Time) float64 {
	return max(0, p.debt-paceRate*now.Sub(p.at).Seconds())
}

// spent reports whether the peer has to wait.
func (p *pace) spent(now time.Time) bool { return p.left(now) > paceBurst }

// due is when it need not wait any more.
func (p *pace) due() time.Time {
	return p.at.Add(time.Duration((p.debt-paceBurst)/paceRate*float64(time.Second)) + time.Millisecond)
}
