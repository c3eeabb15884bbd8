// Package due answers what is due from the columns of ark.queries: the SQL side
// of the controllers' interface, which with the etcd backend has an informer.
package due

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"k8s.io/apimachinery/pkg/types"

	"mckinsey.com/ark/gen/db"
)

// claim is how long a claimed Query is hidden from other processes.
const claim = time.Minute

// Query names one Query that is due.
type Query struct {
	types.NamespacedName
	UID types.UID
}

// Queries finds Queries whose time to live has passed.
type Queries struct {
	pool *pgxpool.Pool
	db   *db.Queries
}

// NewQueries reads from the given pool.
func NewQueries(pool *pgxpool.Pool) *Queries {
	return &Queries{pool: pool, db: db.New()}
}

// Claim returns up to limit Queries that are due at now, and hides them from
// other processes for a minute.
func (q *Queries) Claim(ctx context.Context, now time.Time, limit int) ([]Query, error) {
	rows, err := q.db.ClaimDueQueries(ctx, q.pool, db.ClaimDueQueriesParams{
		ClaimedUntil: now.Add(claim), Now: now, BatchSize: int64(limit),
	})
	if err != nil {
		return nil, fmt.Errorf("claim due queries: %w", err)
	}
	due := make([]Query, 0, len(rows))
	for _, row := range rows {
		namespace, name, _ := strings.Cut(row.Key, "/")
		due = append(due, Query{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}, UID: types.UID(row.UID)})
	}
	return due, nil
}

// Next says when the next Query is due; in the year 9999 if none is.
func (q *Queries) Next(ctx context.Context) (time.Time, error) {
	next, err := q.db.GetNextDueQuery(ctx, q.pool)
	if err != nil {
		return time.Time{}, fmt.Errorf("find the next due query: %w", err)
	}
	return next, nil
}
