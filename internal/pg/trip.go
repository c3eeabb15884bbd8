package pg

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Executor is what generated methods execute their statement on.
type Executor interface {
	Exec(context.Context, string, ...any) (pgconn.CommandTag, error)
	Query(context.Context, string, ...any) (pgx.Rows, error)
	QueryRow(context.Context, string, ...any) pgx.Row
}

// Trip collects calls of generated methods, with results or without, to be
// executed in one round trip, and, where transactions are concerned, the statements
// that begin and end one: a transaction that decides something in between takes two
// round trips, not one a statement. The zero value is empty and ready.
type Trip struct {
	batch pgx.Batch
	calls []func(Executor) error
	names []string
}

// Transaction control, which the driver would send in round trips of its own. The
// isolation level is said, since a server may have another default: each statement
// must see what was committed before it, not before the transaction.
const (
	begin    = "begin isolation level read committed read write"
	commit   = "commit"
	rollback = "rollback"
)

// Begin adds the beginning of a transaction.
func (t *Trip) Begin() { t.control(begin) }

// Commit adds the commit. If Send fails otherwise than by an error that the server
// reports, the commit may have happened.
func (t *Trip) Commit() { t.control(commit) }

func (t *Trip) control(statement string) {
	t.batch.Queue(statement)
	t.names = append(t.names, statement)
	t.calls = append(t.calls, func(e Executor) error {
		_, err := e.Exec(context.Background(), statement)
		return err
	})
}

// Add adds a call, which must execute exactly one statement, the same whenever it
// is called: it is called once now, for the statement, and once for the result.
func (t *Trip) Add(call func(Executor) error) error {
	r := &recorder{}
	// The error is that there is no result yet.
	_ = call(r)
	if len(r.statements) != 1 {
		return fmt.Errorf("a call of a round trip executed %d statements, not one", len(r.statements))
	}
	t.batch.Queue(r.statements[0], r.args...)
	t.names = append(t.names, statementName(r.statements[0]))
	t.calls = append(t.calls, call)
	return nil
}

// Send executes the calls on a connection, in order, and returns the first error;
// the server executes nothing behind it.
func (t *Trip) Send(ctx context.Context, conn *pgx.Conn) error {
	results := conn.SendBatch(ctx, &t.batch)
	var failed error
	for i, call := range t.calls {
		if err := call(replayer{results}); err != nil {
			failed = fmt.Errorf("statement %s: %w", t.names[i], err)
			break
		}
	}
	if err := results.Close(); err != nil && failed == nil {
		failed = fmt.Errorf("end round trip: %w", err)
	}
	return failed
}

// Abandon rolls back the transaction that a connection is in, if it is in one. A
// connection that cannot even do that is closed.
func Abandon(ctx context.Context, conn *pgx.Conn) {
	if conn.IsClosed() || conn.PgConn().TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	if _, err := conn.Exec(ctx, rollback); err != nil {
		_ = conn.Close(ctx) // the server rolls back then
	}
}

var errNoResultYet = errors.New("no result yet")

// recorder takes note of statements.
type recorder struct {
	statements []string
	args       []any
}

func (r *recorder) record(sql string, args []any) {
	r.statements = append(r.statements, sql)
	r.args = args
}

func (r *recorder) Exec(_ context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	r.record(sql, args)
	return pgconn.CommandTag{}, errNoResultYet
}

func (r *recorder) Query(_ context.Context, sql string, args ...any) (pgx.Rows, error) {
	r.record(sql, args)
	return nil, errNoResultYet
}

func (r *recorder) QueryRow(_ context.Context, sql string, args ...any) pgx.Row {
	r.record(sql, args)
	return failedRow{errNoResultYet}
}

// replayer gives the results in the order of the statements.
type replayer struct{ results pgx.BatchResults }

func (r replayer) Exec(context.Context, string, ...any) (pgconn.CommandTag, error) {
	return r.results.Exec()
}

func (r replayer) Query(context.Context, string, ...any) (pgx.Rows, error) {
	return r.results.Query()
}

func (r replayer) QueryRow(context.Context, string, ...any) pgx.Row {
	return r.results.QueryRow()
}
