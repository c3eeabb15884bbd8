package pg

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var errPipelineReads = errors.New("a pipeline takes only statements without rows")

// Pipeline collects the statements that are executed on it, to be sent in one
// round trip. It takes the place of a connection for generated :exec methods.
// The zero value is empty and ready.
type Pipeline struct {
	batch pgx.Batch
	names []string
}

// Exec queues a statement.
func (p *Pipeline) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	p.batch.Queue(sql, args...)
	p.names = append(p.names, statementName(sql))
	return pgconn.CommandTag{}, nil
}

// Query is not possible in a pipeline: the rows would have to be there at once.
func (p *Pipeline) Query(context.Context, string, ...any) (pgx.Rows, error) {
	return nil, errPipelineReads
}

// QueryRow is not possible in a pipeline either.
func (p *Pipeline) QueryRow(context.Context, string, ...any) pgx.Row {
	return failedRow{errPipelineReads}
}

type failedRow struct{ err error }

func (f failedRow) Scan(...any) error { return f.err }

// Send executes what was queued, in order, and returns the first error.
func (p *Pipeline) Send(ctx context.Context, tx pgx.Tx) error {
	if p.batch.Len() == 0 {
		return nil
	}
	results := tx.SendBatch(ctx, &p.batch)
	var failed error
	for _, name := range p.names {
		if _, err := results.Exec(); err != nil {
			failed = fmt.Errorf("statement %s: %w", name, err)
			break
		}
	}
	if err := results.Close(); err != nil && failed == nil {
		failed = fmt.Errorf("end pipeline: %w", err)
	}
	return failed
}

// statementName reads the name that the compiler of statements put in front.
func statementName(sql string) string {
	rest, ok := strings.CutPrefix(sql, "-- name: ")
	if !ok {
		return "without a name"
	}
	name, _, _ := strings.Cut(rest, " ")
	return name
}
