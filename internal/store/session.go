package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// smallestPool is the size of a pool from which the writer and the reader each keep
// a session for themselves, so that neither queues behind the pages of lists.
const smallestPool = 4

// ownSession is a session that one goroutine keeps until it fails.
type ownSession struct{ conn *pgxpool.Conn }

func (o *ownSession) take(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	if o.conn != nil && o.conn.Conn().IsClosed() {
		o.giveUp()
	}
	if o.conn == nil {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return nil, fmt.Errorf("acquire connection: %w", err)
		}
		o.conn = conn
	}
	return o.conn, nil
}

// giveUp returns the session to the pool, which closes it if it is broken.
func (o *ownSession) giveUp() {
	if o.conn != nil {
		o.conn.Release()
		o.conn = nil
	}
}
