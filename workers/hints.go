package workers

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"

	"mckinsey.com/ark/internal/pg"
)

// listenOn subscribes on a connection of its own.
func listenOn(pool *pgxpool.Pool) Subscribe {
	return func(ctx context.Context, notify func(string)) {
		pg.Listen(ctx, pool.Config().ConnConfig, []string{pg.ChannelQueue, pg.ChannelLeases}, notify)
	}
}

// hear turns what is said on a channel into hints. They have no content: one
// that is pending already says it all.
func (w *Workers) hear(channel string) {
	if channel == pg.ChannelQueue || channel == pg.Connected {
		hint(w.work)
	}
	if channel == pg.ChannelLeases || channel == pg.Connected {
		hint(w.ended)
		hint(w.due)
	}
}

func hint(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
