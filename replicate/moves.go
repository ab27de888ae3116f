package replicate

import (
	"context"
	"slices"

	"sqlsync/merge"
	"sqlsync/wire"
)

// Mover is a Store that knows which of its tables are in another dataset by
// now. A peer that has not moved them is told in Hello.
type Mover interface {
	// Moved lists them, ascending by name. It may change whenever the channel
	// of Reoffers gets a signal.
	Moved(ctx context.Context) ([]wire.MovedTable, error)

	// NoteArrivals keeps what a peer has told of arrivals, also one that gives
	// nothing. news says that Offers has more to say by that.
	NoteArrivals(ctx context.Context, peer merge.NodeID, offers []wire.TableOffer) (news bool, err error)

	// NoteMoved keeps what a peer has told of its own, for status.
	NoteMoved(ctx context.Context, peer merge.NodeID, moved []wire.MovedTable) error
}

// moved is what the peer is told, which hears of no dataset that it may not have.
func (c *conn) moved(ctx context.Context) ([]wire.MovedTable, error) {
	s, ok := c.store.(Mover)
	if !ok {
		return nil, nil
	}
	list, err := try(ctx, s.Moved)
	if c.config.datasets == nil {
		return list, err
	}
	return slices.DeleteFunc(list, func(t wire.MovedTable) bool { return !slices.Contains(c.config.datasets, t.Dataset) }), err
}

// restate begins the session anew if something else is to be told.
func (l *loop) restate() {
	now, err := l.moved(l.work)
	if err != nil {
		l.fail("read moved tables", err)
	} else if !slices.Equal(now, l.config.moved) {
		l.post(stopped{errRestarted})
	}
}

// noteArrivals is to be called before the session goes on: a sync is over only
// when the peer has been told.
func (l *loop) noteArrivals(ctx context.Context, offers []wire.TableOffer) error {
	s, ok := l.store.(Mover)
	if !ok {
		return nil
	}
	news, err := try(ctx, func(ctx context.Context) (bool, error) {
		return s.NoteArrivals(ctx, l.config.peer, offers)
	})
	if err == nil && news {
		l.reoffer()
	}
	return err
}

func (l *loop) noteMoved(ctx context.Context, moved []wire.MovedTable) error {
	s, ok := l.store.(Mover)
	if !ok {
		return nil
	}
	_, err := try(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.NoteMoved(ctx, l.config.peer, moved)
	})
	return err
}
