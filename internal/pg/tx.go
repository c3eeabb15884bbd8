package pg

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// rollbackTimeout bounds the rollback of a transaction whose context has ended.
const rollbackTimeout = 5 * time.Second

// Beginner starts transactions: a pool, a connection or a transaction.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// InTx runs f in a transaction, which is committed if f returns nil and rolled
// back otherwise. An error of the commit itself is a *CommitError: if it
// IsUnavailable, the transaction may have happened.
func InTx(ctx context.Context, b Beginner, f func(pgx.Tx) error) error {
	tx, err := b.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	defer Rollback(ctx, tx)
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return &CommitError{Err: err}
	}
	return nil
}

// Rollback ends a transaction, also when ctx has ended already; one that is
// over stays as it is. A connection that cannot even roll back is closed by the
// driver, and the server rolls back then, so there is no error to report.
func Rollback(ctx context.Context, tx pgx.Tx) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackTimeout)
	defer cancel()
	if err := tx.Rollback(ctx); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
		_ = tx.Conn().Close(ctx)
	}
}

// CommitError is an error of a commit, in contrast to one of a statement before it.
type CommitError struct{ Err error }

func (e *CommitError) Error() string { return fmt.Sprintf("commit: %v", e.Err) }

// Unwrap returns the error of the driver.
func (e *CommitError) Unwrap() error { return e.Err }
