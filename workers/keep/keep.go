// Package keep looks after the queue for all workers: leases of workers that died
// go back, their runs are ended, and what is old is forgotten. Any number of
// processes may do it at once.
package keep

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pg"
)

const (
	// batch bounds the rows of one statement.
	batch = 1000
	// statementTimeout bounds one round.
	statementTimeout = 30 * time.Second
	// forgetAfter is how long a dead worker stays visible to analysts.
	forgetAfter = 10 * time.Minute
	// retentionEvery is the pause between two looks at old runs.
	retentionEvery = time.Minute
	// untoldEvery is the pause between two looks for what could not be told.
	untoldEvery = 30 * time.Second
)

// Options of Run.
type Options struct {
	Pool  *pgxpool.Pool
	Clock clock.WithTicker
	// Every is the pause between two looks at the leases, jittered.
	Every time.Duration
	// RunRetention is how long finished runs are kept.
	RunRetention time.Duration
	// Returned is told which entries went back to the queue, so that the status of
	// their Queries says so.
	Returned func(context.Context, []db.ReturnExpiredLeasesRow)
}

type keeper struct {
	Options
	db *db.Queries
}

// Run keeps the queue in order until ctx ends. What fails is said and tried again
// in the next round.
func Run(ctx context.Context, o Options) {
	ctx = klog.NewContext(ctx, klog.FromContext(ctx).WithName("keep"))
	k := &keeper{Options: o, db: db.New()}
	var tasks wait.Group
	tasks.Start(func() { k.repeat(ctx, o.Every, "return expired leases", k.returnExpired) })
	tasks.Start(func() { k.repeat(ctx, retentionEvery, "delete old runs", k.forget) })
	tasks.Start(func() { k.repeat(ctx, untoldEvery, "tell queries that they wait", k.tell) })
	tasks.Wait()
}

// repeat calls round now and then; full rounds follow each other at once.
func (k *keeper) repeat(ctx context.Context, every time.Duration, what string, round func(context.Context) (full bool, err error)) {
	for ctx.Err() == nil {
		full, err := k.once(ctx, round)
		if err != nil && ctx.Err() == nil {
			klog.FromContext(ctx).Error(fmt.Errorf("%s: %w", what, err), "Will be tried again")
		}
		if full {
			continue
		}
		select {
		case <-ctx.Done():
		case <-k.Clock.After(wait.Jitter(every, 0.2)):
		}
	}
}

func (k *keeper) once(ctx context.Context, round func(context.Context) (bool, error)) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, statementTimeout)
	defer cancel()
	return round(ctx)
}

// returnExpired gives the entries of dead workers back to the queue, wakes those
// that live, ends the runs, and has the Queries told.
func (k *keeper) returnExpired(ctx context.Context) (full bool, err error) {
	now := k.Clock.Now()
	var rows []db.ReturnExpiredLeasesRow
	err = pg.InTx(ctx, k.Pool, func(tx pgx.Tx) error {
		if rows, err = k.db.ReturnExpiredLeases(ctx, tx, now, batch); err != nil {
			return fmt.Errorf("return leases: %w", err)
		}
		full = len(rows) == batch
		if len(rows) == 0 {
			return nil
		}
		klog.FromContext(ctx).Info("Leases of dead workers went back to the queue", "queries", len(rows), "first", rows[0].Key)
		return k.db.NotifyQueue(ctx, tx)
	})
	if err != nil {
		return false, err
	}
	k.Returned(ctx, rows)
	n, err := k.db.LoseRuns(ctx, k.Pool, now, batch)
	if err != nil {
		return full, fmt.Errorf("end the runs of dead workers: %w", err)
	}
	return full || n == batch, nil
}

// tell has those Queries told that wait again, where whoever returned their entries
// did not get to it. It is never full: what fails again would be first again.
func (k *keeper) tell(ctx context.Context) (full bool, err error) {
	rows, err := k.db.ListUntold(ctx, k.Pool, batch)
	if err != nil {
		return false, fmt.Errorf("list returned entries: %w", err)
	}
	returned := make([]db.ReturnExpiredLeasesRow, len(rows))
	for i, row := range rows {
		returned[i] = db.ReturnExpiredLeasesRow(row)
	}
	k.Returned(ctx, returned)
	return false, nil
}

// forget deletes what nobody will ask for any more.
func (k *keeper) forget(ctx context.Context) (full bool, err error) {
	now := k.Clock.Now()
	if _, err := k.db.DeleteDeadWorkers(ctx, k.Pool, now.Add(-forgetAfter)); err != nil {
		return false, fmt.Errorf("delete dead workers: %w", err)
	}
	n, err := k.db.DeleteRuns(ctx, k.Pool, now.Add(-k.RunRetention), batch)
	if err != nil {
		return false, fmt.Errorf("delete runs: %w", err)
	}
	return n == batch, nil
}
