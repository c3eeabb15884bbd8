package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"mckinsey.com/ark/internal/pg"
)

// errWentBack: the database is behind what this process has handed out: it was
// restored, or a failover lost commits.
var errWentBack = errors.New("the database went back behind a revision that was handed out")

// jumpDistance is how far the clock leaps after the database went back: farther
// than any other process can have been ahead.
const jumpDistance = 1 << 20

// GetRevision returns the newest revision.
func (s *Store) GetRevision(ctx context.Context) (int64, error) {
	row, err := s.q.GetRevision(ctx, s.pool)
	if err != nil {
		return 0, fmt.Errorf("get revision: %w", err)
	}
	s.handedOut(row.Current)
	return row.Current, nil
}

// CompactedRevision returns the compaction floor as last read: states older than
// it cannot be read. 0: nothing was compacted yet.
func (s *Store) CompactedRevision() int64 { return s.reader.compacted.Load() }

// leap moves the clock, and with it the compaction floor, beyond everything that
// was handed out before the database went back. Whoever saw a revision of the
// time that is lost must read anew, and no revision means two states.
func (s *Store) leap(ctx context.Context) error {
	return pg.InTx(ctx, s.pool, func(tx pgx.Tx) error {
		row, err := s.q.LockRevision(ctx, tx)
		if err != nil {
			return fmt.Errorf("lock revision: %w", err)
		}
		to := max(row.Current, s.highest.Load()) + jumpDistance
		if err := s.q.SetRevision(ctx, tx, to); err != nil {
			return fmt.Errorf("set revision: %w", err)
		}
		if _, err := s.q.RaiseCompacted(ctx, tx, to); err != nil {
			return fmt.Errorf("raise compaction floor: %w", err)
		}
		return nil
	})
}

// Position returns the revision up to which this process has read all events.
func (s *Store) Position() int64 {
	s.reader.mu.Lock()
	defer s.reader.mu.Unlock()
	return s.reader.position
}
