package cdc

import (
	"context"
	"sync"

	"github.com/jmoiron/sqlx"
)

// prepared keeps the statements that are read with often: preparing one costs
// more than running it.
type prepared struct {
	mu sync.Mutex
	m  map[string]*sqlx.Stmt
}

// get returns the statement of a query. It belongs to p.
func (p *prepared) get(ctx context.Context, db *sqlx.DB, query string) (*sqlx.Stmt, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if st := p.m[query]; st != nil {
		return st, nil
	}
	st, err := db.PreparexContext(ctx, query)
	if err != nil {
		return nil, err
	}
	if p.m == nil {
		p.m = make(map[string]*sqlx.Stmt)
	}
	p.m[query] = st
	return st, nil
}

func (p *prepared) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, st := range p.m {
		st.Close()
	}
	p.m = nil
}

// query runs a query by a kept statement. What it reads is durable.
func (s *Store) query(ctx context.Context, query string, args ...any) (*sqlx.Rows, error) {
	if err := s.present(); err != nil {
		return nil, err
	}
	st, err := s.prepared.get(ctx, s.db, query)
	if err != nil {
		return nil, err
	}
	rows, err := st.QueryxContext(ctx, args...)
	if err != nil {
		return nil, err
	}
	if err := s.durable.wait(); err != nil {
		rows.Close()
		return nil, err
	}
	return rows, nil
}

// get reads one row by a kept statement.
func (s *Store) get(ctx context.Context, to any, query string, args ...any) error {
	if err := s.present(); err != nil {
		return err
	}
	st, err := s.prepared.get(ctx, s.db, query)
	if err != nil {
		return err
	}
	if err := st.GetContext(ctx, to, args...); err != nil {
		return err
	}
	return s.durable.wait()
}
