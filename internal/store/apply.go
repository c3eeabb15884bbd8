package store

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"mckinsey.com/ark/gen/db"
	"mckinsey.com/ark/internal/pg"
)

// write sends the changes of the accepted writes in one round trip: events,
// objects, counts, columns and queue of Queries, the new revision, and the commit.
func (b *batch) write(ctx context.Context, conn *pgx.Conn) error {
	t := &pg.Trip{}
	steps := []func(context.Context, *pg.Trip) error{
		b.appendEvents, b.putObjects, b.deleteObjects, b.count, b.projectQueries, b.changeQueue,
	}
	for _, step := range steps {
		if err := step(ctx, t); err != nil {
			return err
		}
	}
	err := t.Add(func(e pg.Executor) error {
		return b.store.q.SetRevision(ctx, e, b.current+int64(len(b.accepted)))
	})
	if err != nil {
		return err
	}
	t.Commit()
	return t.Send(ctx, conn)
}

func (b *batch) appendEvents(ctx context.Context, t *pg.Trip) error {
	n := len(b.accepted)
	arg := db.AppendEventsParams{
		At:        b.store.clock.Now(),
		Rvs:       make([]int64, 0, n),
		Resources: make([]string, 0, n),
		Keys:      make([]string, 0, n),
		Bodies:    make([][]byte, 0, n),
	}
	for _, i := range b.accepted {
		w := b.writes[i]
		arg.Rvs = append(arg.Rvs, b.results[i].rv)
		arg.Resources = append(arg.Resources, w.Resource)
		arg.Keys = append(arg.Keys, w.Key)
		arg.Bodies = append(arg.Bodies, w.Body)
	}
	return t.Add(func(e pg.Executor) error { return b.store.q.AppendEvents(ctx, e, arg) })
}

func (b *batch) putObjects(ctx context.Context, t *pg.Trip) error {
	var rvs []int64
	var expiresAt []time.Time
	for _, i := range b.accepted {
		if w := b.writes[i]; w.Body != nil {
			rvs = append(rvs, b.results[i].rv)
			expiresAt = append(expiresAt, w.ExpiresAt)
		}
	}
	if len(rvs) == 0 {
		return nil
	}
	return t.Add(func(e pg.Executor) error { return b.store.q.PutObjects(ctx, e, rvs, expiresAt) })
}

func (b *batch) deleteObjects(ctx context.Context, t *pg.Trip) error {
	var resources, keys []string
	for _, i := range b.accepted {
		if w := b.writes[i]; w.Body == nil {
			resources = append(resources, w.Resource)
			keys = append(keys, w.Key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	return t.Add(func(e pg.Executor) error { return b.store.q.DeleteObjects(ctx, e, resources, keys) })
}

// count keeps the numbers of objects exact. Each parent either gains or loses
// in a batch; what evens out is not written.
func (b *batch) count(ctx context.Context, t *pg.Trip) error {
	deltas := map[objectKey]int64{}
	for _, i := range b.accepted {
		w := b.writes[i]
		parent := objectKey{w.Resource, w.Key[:strings.LastIndexByte(w.Key, '/')+1]}
		switch {
		case w.Body == nil:
			deltas[parent]--
		case w.Expect == 0:
			deltas[parent]++
		}
	}
	var gained db.AddCountsParams
	var lost db.SubtractCountsParams
	for _, parent := range sortedKeys(deltas) {
		switch delta := deltas[parent]; {
		case delta > 0:
			gained.Resources = append(gained.Resources, parent.resource)
			gained.Parents = append(gained.Parents, parent.key)
			gained.Deltas = append(gained.Deltas, delta)
		case delta < 0:
			lost.Resources = append(lost.Resources, parent.resource)
			lost.Parents = append(lost.Parents, parent.key)
			lost.Lost = append(lost.Lost, -delta)
		}
	}
	if len(gained.Deltas) > 0 {
		err := t.Add(func(e pg.Executor) error { return b.store.q.AddCounts(ctx, e, gained) })
		if err != nil {
			return err
		}
	}
	if len(lost.Lost) > 0 {
		return t.Add(func(e pg.Executor) error { return b.store.q.SubtractCounts(ctx, e, lost) })
	}
	return nil
}

func sortedKeys(m map[objectKey]int64) []objectKey {
	keys := make([]objectKey, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, func(a, b objectKey) int {
		return cmp.Or(cmp.Compare(a.resource, b.resource), cmp.Compare(a.key, b.key))
	})
	return keys
}
