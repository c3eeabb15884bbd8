package workers

import (
	"context"
	"time"

	"k8s.io/klog/v2"
)

// checkClock warns of a clock that differs from the database's by so much that
// leases may be taken for expired which are not, or the reverse. All clocks should
// agree; with the database's any worker can compare its own.
func (w *Workers) checkClock(ctx context.Context) {
	ahead, within, err := w.clockError(ctx)
	log := klog.FromContext(ctx)
	switch {
	case err != nil:
		if ctx.Err() == nil {
			log.Error(err, "The clock could not be compared with the database's")
		}
	case ahead.Abs()-within > w.LeaseDuration/3:
		log.Error(nil, "The clocks of this machine and of the database differ so much that queries may be executed twice, "+
			"or taken up late; synchronise them", "ahead", ahead, "leaseDuration", w.LeaseDuration)
	}
}

// clockError returns by how much this clock is ahead of the database's, and within
// which error that is known: the answer was given some time between asking and hearing.
func (w *Workers) clockError(ctx context.Context) (ahead, within time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, w.LeaseDuration/3)
	defer cancel()
	asked := w.Clock.Now()
	server, err := w.db.GetServerTime(ctx, w.Pool)
	if err != nil {
		return 0, 0, err
	}
	within = w.Clock.Since(asked) / 2
	return asked.Add(within).Sub(server), within, nil
}
